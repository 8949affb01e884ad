CREATE TABLE "payments" (
  "id" BIGINT,
  "account_number" VARCHAR,
  "paid" BOOLEAN,
  "date_paid" TIMESTAMP WITH TIME ZONE,
  "emp_paid_id" BIGINT,
  "pay_system_id" BIGINT,
  "sum" DECIMAL(18,4),
  "currency" VARCHAR,
  "pay_system_name" VARCHAR,
  "order_id" BIGINT,
  "entity_type_id" BIGINT,
  "entity_id" BIGINT,
  "date_bill" TIMESTAMP WITH TIME ZONE,
  "extra" VARCHAR,
  "extracted_at" TIMESTAMP WITH TIME ZONE,
  "returned" VARCHAR,
  "responsible_id" BIGINT
);
COMMENT ON TABLE "payments" IS 'The payments of one portal, sorted by id, each once.';
COMMENT ON COLUMN "payments"."id" IS 'The payment''s number on its portal.';
COMMENT ON COLUMN "payments"."account_number" IS 'The number that people see, such as 3653/1.';
COMMENT ON COLUMN "payments"."paid" IS 'Whether the payment has been made.';
COMMENT ON COLUMN "payments"."date_paid" IS 'When the payment was made.';
COMMENT ON COLUMN "payments"."emp_paid_id" IS 'The portal''s user who made the payment.';
COMMENT ON COLUMN "payments"."pay_system_id" IS 'The payment system.';
COMMENT ON COLUMN "payments"."sum" IS 'The amount, exact below 549755813888 (2^39), where a portal''s float begins to lose the fourth digit; rounded half to even to four digits where an old portal prints more.';
COMMENT ON COLUMN "payments"."currency" IS 'The currency of sum, such as USD.';
COMMENT ON COLUMN "payments"."pay_system_name" IS 'The payment system''s name, as this payment has it.';
COMMENT ON COLUMN "payments"."order_id" IS 'The order that the payment is for.';
COMMENT ON COLUMN "payments"."entity_type_id" IS 'The type of the order''s owner: 2 deal, 31 smart invoice, from 128 smart processes.';
COMMENT ON COLUMN "payments"."entity_id" IS 'The id of the order''s owner.';
COMMENT ON COLUMN "payments"."date_bill" IS 'When the payment was billed.';
COMMENT ON COLUMN "payments"."extra" IS 'Fields that the portal sent and this table has no column for, in its spelling, names sorted.';
COMMENT ON COLUMN "payments"."extracted_at" IS 'When these values were read from the portal.';
COMMENT ON COLUMN "payments"."returned" IS 'How the payment was refunded: inner, to the customer''s inner account; pay_system, through the payment system. Such a payment is not paid, and keeps its sum and date_paid.';
COMMENT ON COLUMN "payments"."responsible_id" IS 'The portal''s user who is responsible for the payment.';
