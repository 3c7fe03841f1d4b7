//! Rows of `logins`.

use crate::output::{Row, Value};
use coldread_proto::v1::Login;

type Column = crate::output::Column<Login>;

impl Row for Login {
    const NOUN: &'static str = "logins";
    const COLUMNS: &'static [Column] = &[
        Column::new("asset", |login| Value::Text(&login.asset)),
        Column::new("source", |login| Value::Text(&login.source)).spare(),
        Column::new("kind", |login| Value::Text(&login.kind)),
        Column::new("user", |login| Value::text(login.user.as_ref())).flexible(),
        Column::new("from", |login| Value::text(login.from.as_ref())).flexible(),
        Column::new("host", |login| Value::text(login.host.as_ref())).wide(),
        Column::new("port", |login| Value::number(login.port)).right().wide(),
        Column::new("tty", |login| Value::text(login.tty.as_ref())).spare(),
        Column::new("time", |login| Value::time(login.time)),
        Column::new("zone", |login| Value::Text(&login.zone)).wide(),
        Column::new("ambiguous", |login| Value::flag(login.ambiguous)).wide(),
        Column::new("pid", |login| Value::number(login.pid)).right().wide(),
        Column::new("session", |login| Value::text(login.session.as_ref())).wide(),
        Column::new("method", |login| Value::text(login.method.as_ref())),
        Column::new("target", |login| Value::text(login.target.as_ref())).wide(),
        Column::new("detail", |login| Value::text(login.detail.as_ref())).wide(),
        Column::new("until", |login| Value::time(login.until)).wide(),
        Column::new("ended", |login| Value::text(login.ended.as_ref())).wide(),
        Column::new("root", |login| Value::Text(&login.root)).wide(),
        Column::new("origin", |login| Value::Bytes(&login.origin)).or_hex("origin_hex").wide(),
        Column::new("offset", |login| Value::Number(login.offset)).right().wide(),
        Column::new("evidence", |login| Value::evidence(&login.evidence)).wide(),
    ];
}
