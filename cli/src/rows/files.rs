//! Rows of `files`.

use crate::output::{Row, Value};
use coldread_proto::v1::File;

type Column = crate::output::Column<File>;

impl Row for File {
    const NOUN: &'static str = "files";
    const COLUMNS: &'static [Column] = &[
        Column::new("asset", |file| Value::Text(&file.asset)),
        Column::new("snapshot", |file| Value::Id(&file.snapshot)).wide(),
        Column::new("volume", |file| Value::Text(&file.volume)),
        Column::new("mount", |file| Value::text(file.mount.as_ref())).wide(),
        Column::new("path", |file| Value::Bytes(&file.path)).or_hex("path_hex").flexible(),
        Column::new("type", |file| Value::Text(&file.r#type)),
        Column::new("inode", |file| Value::Number(file.inode)).right().wide(),
        Column::new("size", |file| file.size.map_or(Value::Absent, Value::Size)).right(),
        Column::new("mode", |file| file.mode.map_or(Value::Absent, Value::Mode)).right(),
        Column::new("uid", |file| Value::number(file.uid)).right(),
        Column::new("gid", |file| Value::number(file.gid)).right(),
        Column::new("nlink", |file| Value::number(file.nlink)).right().wide(),
        Column::new("mtime", |file| Value::time(file.mtime)),
        Column::new("ctime", |file| Value::time(file.ctime)).wide(),
        Column::new("atime", |file| Value::time(file.atime)).wide(),
        Column::new("crtime", |file| Value::time(file.crtime)).wide(),
        Column::new("target", |file| Value::bytes(file.target.as_ref())).or_hex("target_hex").wide(),
        Column::new("rdev", |file| match file.rdev[..] {
            [major, minor] => Value::Device(major, minor),
            _ => Value::Absent,
        })
        .wide(),
        Column::new("xattrs", |file| match &file.xattrs[..] {
            [] => Value::Absent,
            xattrs => Value::Xattrs(xattrs),
        })
        .wide(),
        Column::new("sha256", |file| file.sha256.as_deref().map_or(Value::Absent, Value::Hex)),
        Column::new("stream", |file| Value::bytes(file.stream.as_ref())).or_hex("stream_hex").flexible(),
        Column::new("encrypted", |file| Value::flag(file.encrypted)).wide(),
        Column::new("deleted", |file| Value::flag(file.deleted)).wide(),
        Column::new("internal", |file| Value::flag(file.internal)).wide(),
    ];
}
