-- Loads the current tables into ClickHouse: see docs/recipes.md. Put your bucket and keys in.
CREATE OR REPLACE TABLE payments ENGINE = MergeTree ORDER BY (portal, id) AS
SELECT * REPLACE (assumeNotNull(id) AS id), extract(_path, 'portal=([^/]+)') AS portal
FROM s3('https://warehouse.s3.eu-central-1.amazonaws.com/bitrix24/payments/portal=*/payments.parquet', 'KEY', 'SECRET', 'Parquet')
SETTINGS use_hive_partitioning = 0
