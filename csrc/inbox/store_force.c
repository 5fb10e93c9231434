/*
** store_force.c: see force.h; on SQLite.
*/
#include "inbox/force.h"

#include <sqlite3.h>

#include "inbox/ask_private.h"

ae_code ae_ask_forced (ae_ask *ask, ae_error *error) {
  return ae_ask_put(
    ask, "SELECT rule, version, state, time, who, reason FROM force ORDER BY rule", error);
}

static ae_code put_rule (ae_ask *ask, const char *sql, ae_slice rule, ae_error *error) {
  ae_code code = ae_ask_put(ask, sql, error);
  if (code == AE_OK)
    sqlite3_bind_text64(ask->rows, 1, rule.data, rule.length, SQLITE_TRANSIENT, SQLITE_UTF8);
  return code;
}

ae_code ae_ask_ran (ae_ask *ask, ae_slice rule, ae_error *error) {
  return put_rule(ask,
                  "SELECT version, file, last FROM version WHERE rule = ?1"
                  " ORDER BY last DESC LIMIT 1",
                  rule, error);
}

ae_code ae_ask_force_plan (ae_ask *ask, ae_slice rule, ae_error *error) {
  return put_rule(ask,
                  "SELECT state AS name, count(*) AS count FROM run WHERE rule = ?1 GROUP BY 1"
                  " UNION ALL SELECT 'memory', count(*) FROM memory"
                  " WHERE rule = ?1 AND shadow = 1",
                  rule, error);
}

/* The statements take the same parameters. */
static const char ACT[] = "INSERT INTO act(rule, state, time, who, reason, what)"
                          " VALUES(?1, ?2, ?4, ?5, ?6, ?7)";
static const char FORCE[] = "REPLACE INTO force(rule, version, state, time, who, reason)"
                            " VALUES(?1, ?3, ?8, ?4, ?5, ?6)";
static const char FORGET[] =
  "DELETE FROM memory WHERE rule = ?1 AND shadow = 1 AND ?8 = 'real'";

static bool step (ae_ask *ask, const char *sql, const ae_force *force) {
  const ae_slice real = AE_LITERAL("real"), shadow = AE_LITERAL("shadow");
  sqlite3_stmt *s = NULL;
  bool fine = sqlite3_prepare_v2(ask->db, sql, -1, &s, NULL) == SQLITE_OK;
  if (fine) {
    ae_sql_text(s, 1, force->rule);
    ae_sql_text(s, 2, force->real ? shadow : real);
    sqlite3_bind_int64(s, 3, force->version);
    sqlite3_bind_int64(s, 4, force->time);
    ae_sql_text(s, 5, force->who);
    ae_sql_text(s, 6, force->reason);
    ae_sql_text(s, 7, force->real ? AE_LITERAL("promote") : AE_LITERAL("rollback"));
    ae_sql_text(s, 8, force->real ? real : shadow);
    fine = ae_sql_run(s);
  }
  return sqlite3_finalize(s) == SQLITE_OK && fine;
}

ae_code ae_ask_force (ae_ask *ask, const ae_force *force, ae_error *error) {
  ae_code code = AE_OK;
  ae_ask_end(ask);
  if (!ae_ask_execute(ask, "BEGIN IMMEDIATE") || !step(ask, ACT, force) ||
      !step(ask, FORCE, force) || !step(ask, FORGET, force) || !ae_ask_execute(ask, "COMMIT"))
    code = ae_ask_why(ask, error);
  if (!sqlite3_get_autocommit(ask->db)) (void)ae_ask_execute(ask, "ROLLBACK");
  return code;
}
