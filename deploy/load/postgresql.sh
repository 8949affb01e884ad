#!/usr/bin/env bash
# Loads the current table into PostgreSQL 15 or newer: see docs/recipes.md.
set -euo pipefail
psql -c 'CREATE TABLE IF NOT EXISTS payments (
  id bigint PRIMARY KEY, account_number text, paid boolean, date_paid timestamptz, emp_paid_id bigint,
  pay_system_id bigint, sum numeric(18,4), currency text, pay_system_name text, order_id bigint,
  entity_type_id bigint, entity_id bigint, date_bill timestamptz, extra jsonb, extracted_at timestamptz,
  returned text, responsible_id bigint)'
b24export cat job.yaml --format csv > payments.csv
psql -1 -c 'TRUNCATE payments' -c "\copy payments FROM 'payments.csv' WITH (FORMAT csv, HEADER match)"
