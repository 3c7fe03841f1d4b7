//! Rows of `logins`.

use crate::output::{Row, Value};
use coldread_proto::v1::Login;

type Column = crate::output::Column<Login>;

impl Row for Login {
    const NOUN: &'static str = "logins";
    const COLUMNS: &'static [Column] = &[
        Column::new("asset", |login| Value::Text(&login.asset)),
        Column::new("source", |login| Value::Text(&login.source)),
        Column::new("kind", |login| Value::Text(&login.kind)),
        Column::new("user", |login| Value::text(login.user.as_ref())).flexible(),
        Column::new("from", |login| Value::text(login.from.as_ref())).flexible(),
        Column::new("tty", |login| Value::text(login.tty.as_ref())),
        Column::new("time", |login| Value::time(login.time)),
        Column::new("zone", |login| Value::Text(&login.zone)).wide(),
        Column::new("ambiguous", |login| Value::flag(login.ambiguous)).wide(),
        Column::new("pid", |login| Value::number(login.pid)).right().wide(),
        Column::new("session", |login| Value::text(login.session.as_ref())).wide(),
        Column::new("method", |login| Value::text(login.method.as_ref())),
        Column::new("origin", |login| Value::Bytes(&login.origin)).or_hex("origin_hex").wide(),
        Column::new("offset", |login| Value::Number(login.offset)).right().wide(),
    ];
}
