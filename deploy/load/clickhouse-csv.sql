-- Loads a file of b24export cat --format csv into ClickHouse: see docs/recipes.md.
CREATE OR REPLACE TABLE payments_csv ENGINE = MergeTree ORDER BY id AS
SELECT * FROM file('payments.csv', CSVWithNames, 'id Int64, account_number Nullable(String), paid Nullable(Bool), date_paid Nullable(DateTime64(6, \'UTC\')), emp_paid_id Nullable(Int64), pay_system_id Nullable(Int64), sum Nullable(Decimal(18, 4)), currency Nullable(String), pay_system_name Nullable(String), order_id Nullable(Int64), entity_type_id Nullable(Int64), entity_id Nullable(Int64), date_bill Nullable(DateTime64(6, \'UTC\')), extra Nullable(String), extracted_at Nullable(DateTime64(6, \'UTC\')), returned Nullable(String), responsible_id Nullable(Int64)')
SETTINGS date_time_input_format = 'best_effort'
