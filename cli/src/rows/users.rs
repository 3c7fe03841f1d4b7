//! Rows of `logins summary`.

use crate::output::{Row, Value};
use coldread_proto::v1::UserLogins;

type Column = crate::output::Column<UserLogins>;

impl Row for UserLogins {
    const NOUN: &'static str = "users";
    const COLUMNS: &'static [Column] = &[
        Column::new("asset", |user| Value::Text(&user.asset)),
        Column::new("user", |user| Value::text(user.user.as_ref())).flexible(),
        Column::new("logins", |user| Value::Number(user.logins)).right(),
        Column::new("failures", |user| Value::Number(user.failures)).right(),
        Column::new("first_login", |user| Value::time(user.first_login)).wide(),
        Column::new("last_login", |user| Value::day(user.last_login)),
        Column::new("first_failure", |user| Value::time(user.first_failure)).wide(),
        Column::new("last_failure", |user| Value::day(user.last_failure)),
        Column::new("address_count", |user| Value::Number(user.addresses.len() as u64)).right().wide(),
        Column::new("addresses", |user| Value::texts(&user.addresses)).flexible(),
        Column::new("since", |user| Value::time(user.since)).wide(),
        Column::new("until", |user| Value::time(user.until)).wide(),
        Column::new("logins_since", |user| Value::time(user.logins_since)).wide(),
        Column::new("failures_since", |user| Value::time(user.failures_since)).wide(),
        Column::new("root", |user| Value::Text(&user.root)).wide(),
        Column::new("note", |user| Value::text(user.note.as_ref())).wide(),
    ];
}
