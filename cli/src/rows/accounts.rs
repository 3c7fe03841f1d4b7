//! Rows of `accounts`.

use crate::output::{Row, Value};
use coldread_proto::v1::Account;

type Column = crate::output::Column<Account>;

/// What kind of account groups have as `related`: users have groups, groups have members.
fn related<'a>(account: &'a Account, kind: &str) -> Value<'a> {
    if account.kind == kind { Value::texts(&account.related) } else { Value::Absent }
}

impl Row for Account {
    const NOUN: &'static str = "accounts";
    const COLUMNS: &'static [Column] = &[
        Column::new("asset", |account| Value::Text(&account.asset)),
        Column::new("kind", |account| Value::Text(&account.kind)),
        Column::new("name", |account| Value::Text(&account.name)).flexible(),
        Column::new("id", |account| Value::number(account.id)).right(),
        Column::new("primary_group", |account| Value::number(account.primary_group)).right().wide(),
        Column::new("sid", |account| Value::text(account.sid.as_ref())).wide(),
        Column::new("full_name", |account| Value::text(account.full_name.as_ref())).wide(),
        Column::new("home", |account| Value::text(account.home.as_ref())).wide(),
        Column::new("shell", |account| Value::text(account.shell.as_ref())).flexible(),
        Column::new("groups", |account| related(account, "user")).wide(),
        Column::new("members", |account| related(account, "group")).wide(),
        Column::new("password", |account| Value::text(account.password.as_ref())),
        Column::new("scheme", |account| Value::text(account.scheme.as_ref())).flexible(),
        Column::new("password_changed", |account| Value::time(account.password_changed)).wide(),
        Column::new("password_expires", |account| Value::time(account.password_expires)).wide(),
        Column::new("expires", |account| Value::time(account.expires)).wide(),
        Column::new("disabled", |account| Value::flag(account.disabled)).wide(),
        Column::new("privileges", |account| Value::texts(&account.privileges)).flexible(),
        Column::new("last_login", |account| Value::time(account.last_login)).wide(),
        Column::new("last_failed", |account| Value::time(account.last_failed)).wide(),
        Column::new("failed_count", |account| Value::number(account.failed_count)).right().wide(),
        Column::new("login_count", |account| Value::number(account.login_count)).right().wide(),
        Column::new("root", |account| Value::Text(&account.root)).wide(),
        Column::new("origin", |account| Value::Bytes(&account.origin)).or_hex("origin_hex").wide(),
    ];
}
