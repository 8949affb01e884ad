-- Loads a file of b24export cat into DuckDB: see docs/recipes.md.
-- after .read schema.sql, which creates the table payments
COPY payments FROM 'payments.csv' (FORMAT csv, HEADER);
-- or: COPY payments FROM 'payments.jsonl' (FORMAT json);
