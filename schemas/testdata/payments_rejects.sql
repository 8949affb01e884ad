CREATE TABLE "payments_rejects" (
  "id" BIGINT,
  "stage" VARCHAR,
  "code" VARCHAR,
  "description" VARCHAR,
  "attempts" BIGINT,
  "raw" VARCHAR,
  "seen_at" TIMESTAMP WITH TIME ZONE
);
COMMENT ON TABLE "payments_rejects" IS 'Payments that could not be read. The next run tries them again.';
COMMENT ON COLUMN "payments_rejects"."id" IS 'The payment''s number on its portal.';
COMMENT ON COLUMN "payments_rejects"."stage" IS 'The step that failed: list or get.';
COMMENT ON COLUMN "payments_rejects"."code" IS 'The portal''s error code, which may be empty; or BAD_VALUE for an answer that cannot be read as its column''s type.';
COMMENT ON COLUMN "payments_rejects"."description" IS 'The portal''s text, or the rule that the value breaks.';
COMMENT ON COLUMN "payments_rejects"."attempts" IS 'How often the payment was requested.';
COMMENT ON COLUMN "payments_rejects"."raw" IS 'For BAD_VALUE the text that the portal sent, at most 200 bytes: its beginning, or the text from just before the position where it is not JSON.';
COMMENT ON COLUMN "payments_rejects"."seen_at" IS 'When it failed.';
