"""Which statements can be asked again, by what they say."""

from __future__ import annotations

import pytest

from devrunserver.common.repeatable_query import is_repeatable


@pytest.mark.parametrize(
    "statement",
    [
        'SELECT "shop_book"."id", "shop_book"."updated" FROM "shop_book" WHERE "shop_book"."id" IN (1, 2) LIMIT 21',
        'SELECT COUNT(*) AS "__count" FROM "shop_book"',
        'SELECT 1 AS "a" FROM "t" INNER JOIN "u" ON ("t"."u_id" = "u"."id") WHERE NOT (EXISTS(SELECT 1 FROM "v"))',
        "  select lower(name), COALESCE(MAX(price), 0)::numeric(10, 2) from books group by (name) order by 1;",
        "WITH old AS (SELECT id FROM books) SELECT * FROM old",
        "SHOW server_version",
        "SELECT set_at FROM settings WHERE value = ANY(%s)",
        "SELECT c.relname FROM pg_catalog.pg_class c WHERE pg_catalog.pg_table_is_visible(c.oid)",
        "SELECT t.oid, typarray FROM pg_type t JOIN pg_namespace ns ON typnamespace = ns.oid WHERE typname = %s",
        "SELECT postgis_version()",
        "VALUES (1), (2)",
        "SELECT `note`.`text` FROM `note` WHERE (`note`.`id` IN (1, 2) AND `note`.`text` LIKE BINARY 'a@b.c')",
        "SELECT IFNULL(CAST(`t`.`a` AS datetime(6)), CONVERT_TZ(`t`.`b`, 'UTC', 'UTC')) FROM `t`",
        "SELECT DATE_FORMAT(`t`.`b`, '%%Y'), GROUP_CONCAT(`t`.`c`) FROM `t`",
        "SELECT DATABASE(), VERSION()",
    ],
)
def test_what_reads_what_is_stored(statement: str) -> None:
    assert is_repeatable(statement)


@pytest.mark.parametrize(
    "statement",
    [
        'INSERT INTO "t" ("a") VALUES (1) RETURNING "t"."id"',
        'UPDATE "t" SET "a" = 1',
        'DELETE FROM "t"',
        'SELECT "t"."id" FROM "t" FOR UPDATE',
        "SELECT id FROM t FOR NO KEY UPDATE SKIP LOCKED",
        "SELECT id FROM t FOR KEY SHARE",
        "SELECT * INTO copy FROM t",
        "WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone",
        "SELECT nextval('t_id_seq')",
        "SELECT pg_advisory_lock(1)",
        "SELECT set_config('search_path', 'other', false)",
        "SELECT now()",
        "SELECT random(), id FROM t",
        "SELECT id FROM t WHERE until > CURRENT_TIMESTAMP",
        "SELECT id FROM t WHERE day = current_date",
        "SELECT id FROM t WHERE until > 'now'::timestamptz",
        "SELECT own_function(1)",
        'SELECT "nextval"(%s)',
        "SELECT 1; DROP TABLE t",
        "SET search_path TO other",
        "LISTEN changes",
        "CREATE TABLE t (id int)",
        "EXPLAIN ANALYZE DELETE FROM t",
        "CALL own_procedure()",
        "SELECT @row := @row + 1 FROM t",
        "SELECT @`row`, id FROM t",
        "SELECT @@last_insert_id",
        "SELECT `shop`.`own_function`(1)",
        "SELECT id FROM t WHERE until > UTC_TIMESTAMP",
        "SELECT UUID(), RAND(), SYSDATE()",
        "SELECT FOUND_ROWS()",
        "SELECT GET_LOCK('one', 1)",
        "SELECT id FROM t LOCK IN SHARE MODE",
        "SELECT 1 /*! , own */",
        "BEGIN",
        "",
    ],
)
def test_what_changes_something_or_has_another_answer_each_time(statement: str) -> None:
    assert not is_repeatable(statement)
