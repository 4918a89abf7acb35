"""Queries of the Postgres store."""

TABLES = """
CREATE SCHEMA IF NOT EXISTS purse_serving;
CREATE SEQUENCE IF NOT EXISTS purse_serving.tickets;
CREATE SEQUENCE IF NOT EXISTS purse_serving.generations;
CREATE TABLE IF NOT EXISTS purse_serving.state (only_row int PRIMARY KEY CHECK (only_row = 1), value text NOT NULL);
CREATE TABLE IF NOT EXISTS purse_serving.live_rows (
    of_table text, key text, user_id text NOT NULL, day date NOT NULL, body bytea NOT NULL, PRIMARY KEY (of_table, key)
);
ALTER TABLE purse_serving.live_rows ADD COLUMN IF NOT EXISTS digest text;
ALTER TABLE purse_serving.live_rows ADD COLUMN IF NOT EXISTS sender text NOT NULL DEFAULT '';
CREATE INDEX IF NOT EXISTS live_rows_of_user ON purse_serving.live_rows (user_id, day);
CREATE TABLE IF NOT EXISTS purse_serving.waiting (user_id text PRIMARY KEY, ticket bigint NOT NULL);
CREATE TABLE IF NOT EXISTS purse_serving.set_aside (user_id text PRIMARY KEY, reason text NOT NULL);
"""
GENERATION = "CREATE TABLE {} (user_id text PRIMARY KEY, known_until double precision NOT NULL, body bytea NOT NULL)"
INSERT = """
INSERT INTO purse_serving.live_rows (of_table, key, user_id, day, body, digest, sender)
SELECT * FROM unnest(
    %s::text[], %s::text[], %s::text[], %s::date[], %s::bytea[], %s::text[], %s::text[]
) ON CONFLICT DO NOTHING RETURNING user_id
"""
STORED = """
SELECT of_table, key, digest, sender FROM purse_serving.live_rows
JOIN unnest(%s::text[], %s::text[]) AS posted(of_table, key) USING (of_table, key)
"""
WITHOUT_DIGEST = "SELECT of_table, key, body FROM purse_serving.live_rows WHERE digest IS NULL LIMIT 10000"
ADD_DIGESTS = """
UPDATE purse_serving.live_rows SET digest = made.digest
FROM unnest(%s::text[], %s::text[], %s::text[]) AS made(of_table, key, digest)
WHERE live_rows.of_table = made.of_table AND live_rows.key = made.key
"""
WAIT = """
INSERT INTO purse_serving.waiting SELECT user_id, nextval('purse_serving.tickets') FROM ({}) AS users
ON CONFLICT (user_id) DO UPDATE SET ticket = excluded.ticket
"""
WAIT_FOR = WAIT.format("SELECT DISTINCT unnest(%s::text[]) AS user_id")
WAIT_SINCE = WAIT.format("SELECT DISTINCT user_id FROM purse_serving.live_rows WHERE day >= %s")
WAITING = """
SELECT user_id, ticket FROM purse_serving.waiting WHERE user_id NOT IN (SELECT user_id FROM purse_serving.set_aside)
ORDER BY ticket LIMIT %s
"""
SET_ASIDE = """
INSERT INTO purse_serving.set_aside VALUES (%s, %s) ON CONFLICT (user_id) DO UPDATE SET reason = excluded.reason
"""
ASIDE = 'SELECT user_id, reason FROM purse_serving.set_aside ORDER BY user_id COLLATE "C"'
DONE = """
DELETE FROM purse_serving.waiting USING unnest(%s::text[], %s::bigint[]) AS done(user_id, ticket)
WHERE waiting.user_id = done.user_id AND waiting.ticket = done.ticket
"""
SWITCH = """
INSERT INTO purse_serving.state VALUES (1, %s) ON CONFLICT (only_row) DO UPDATE SET value = excluded.value
"""
GENERATIONS = "SELECT tablename FROM pg_tables WHERE schemaname = 'purse_serving' AND tablename LIKE 'scores\\_%'"
