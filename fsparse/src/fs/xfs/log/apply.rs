//! Changes applied to what the volume holds: Linux' `xfs_buf_item_recover.c` and `xfs_inode_item_recover.c`.
//!
//! A version 5 block or inode says by its LSN which changes it already has. What is changed gets the LSN of
//! its last change and a new checksum, as the kernel gives it when it writes it back.

use super::{
    super::be::{Be, checksums},
    Fault, Shape,
    le::Le,
    merge::{Buffer, CHUNK, Fork, LoggedInode},
};

/// Where a kind of version 5 block keeps its checksum, LSN and UUID.
struct Stamps {
    crc: usize,
    lsn: usize,
    uuid: usize,
}

/// By the magic number that the block has.
fn stamps(block: &[u8], meta_uuid: bool) -> Option<Stamps> {
    let fields = Be(block);
    let stamps = |crc, lsn, uuid| Some(Stamps { crc, lsn, uuid });
    match &fields.u32(0).to_be_bytes() {
        b"AB3B" | b"AB3C" | b"IAB3" | b"FIB3" | b"RMB3" | b"R3FC" => stamps(52, 24, 32),
        b"BMA3" => stamps(64, 32, 40),
        b"XAGF" => stamps(216, 208, 64),
        b"XAFL" => stamps(32, 24, 8),
        b"XAGI" => stamps(312, 320, 296),
        b"XSLM" => stamps(12, 48, 16),
        b"XDB3" | b"XDD3" | b"XDF3" => stamps(4, 16, 24),
        b"XFSB" => stamps(224, 240, if meta_uuid { 248 } else { 32 }),
        // The blocks of hash trees, whose magic number stands behind two pointers.
        _ => match fields.u16(8) {
            0x3df1 | 0x3dff | 0x3ebe | 0x3bee => stamps(12, 24, 32),
            _ => None,
        },
    }
}

fn put(block: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(room) = block.get_mut(at..at + bytes.len()) {
        room.copy_from_slice(bytes);
    }
}

fn put_checksum(block: &mut [u8], at: usize) {
    let (_, computed) = checksums(block, at);
    put(block, at, &computed.to_le_bytes());
}

/// An LSN that says something.
fn is_lsn(lsn: u64) -> bool {
    lsn != 0 && lsn != u64::MAX
}

/// Applies a buffer to the bytes that the volume holds in its place; whether anything changed.
pub(super) fn buffer(shape: &Shape, buffer: &Buffer, block: &mut [u8]) -> bool {
    let v5 = shape.geometry.v5;
    let found = if v5 { stamps(block, shape.meta_uuid) } else { None };
    let held = found.filter(|found| Be(block).uuid(found.uuid) == shape.geometry.uuid);
    let held = held.map(|found| Be(block).u64(found.lsn)).filter(|&lsn| is_lsn(lsn));
    let mut last = 0;
    for (number, &lsn) in buffer.lsns.iter().enumerate() {
        if lsn == 0 || held.is_some_and(|held| held >= lsn) {
            continue;
        }
        let at = number * CHUNK;
        put(block, at, buffer.image.get(at..at + CHUNK).unwrap_or_default());
        last = last.max(lsn);
    }
    if last > 0
        && v5
        && let Some(found) = stamps(block, shape.meta_uuid)
    {
        put(block, found.lsn, &last.to_be_bytes());
        put_checksum(block, found.crc);
    }
    last > 0
}

const MAGIC: [u8; 2] = *b"IN";
const CRC: usize = 100;
const BIGTIME: u64 = 1 << 3;
const LARGE_COUNTS: u64 = 1 << 4;
const METADATA: u64 = 1 << 5;
const MAX_FLUSHES: u16 = 0xffff;

/// Applies an inode to the bytes that the volume holds in its place; whether anything changed.
pub(super) fn inode(shape: &Shape, logged: &LoggedInode, bytes: &mut [u8]) -> Result<bool, Fault> {
    let v5 = shape.geometry.v5;
    if let Some(generation) = logged.fresh {
        fresh(shape, logged.number, generation, bytes);
    }
    let Some(core) = &logged.core else { return Ok(logged.fresh.is_some()) };
    if bytes.get(..2) != Some(&MAGIC) {
        return Err(Fault::corrupt("the log changes an inode where the volume holds none"));
    }
    let (held_lsn, held_flushes) = (Be(bytes).u64(112), Be(bytes).u16(30));
    let is_newer = |change: &Fork| {
        if v5 {
            !is_lsn(held_lsn) || held_lsn <= change.lsn
        } else {
            // The counter wraps.
            let wrapped = held_flushes == MAX_FLUSHES && change.flushes < MAX_FLUSHES >> 1;
            change.flushes >= held_flushes || wrapped
        }
    };
    if !is_newer(core) {
        return Ok(false);
    }
    put_core(core, bytes);
    let start = if v5 { 176 } else { 100 };
    let literal = bytes.len() - start;
    let offset = usize::from(bytes[82]) * 8;
    if offset > literal {
        return Err(Fault::corrupt("an inode in the log whose forks do not fit"));
    }
    let (data_room, attributes_room) = if offset == 0 { (literal, 0) } else { (offset, literal - offset) };
    if let Some(data) = logged.data.as_ref().filter(|fork| is_newer(fork)) {
        put_fork(shape, data, &mut bytes[start..start + data_room])?;
    }
    if let Some(attributes) = logged.attributes.as_ref().filter(|fork| is_newer(fork)) {
        let at = start + data_room;
        put_fork(shape, attributes, &mut bytes[at..at + attributes_room])?;
    }
    if v5 {
        put_checksum(bytes, CRC);
    }
    Ok(true)
}

/// A newly made inode that nobody has used (xfs_ialloc_inode_init).
fn fresh(shape: &Shape, number: u64, generation: u32, bytes: &mut [u8]) {
    bytes.fill(0);
    put(bytes, 0, &MAGIC);
    put(bytes, 4, &[if shape.geometry.v5 { 3 } else { 2 }]);
    put(bytes, 92, &generation.to_be_bytes());
    put(bytes, 96, &[0xff; 4]);
    if shape.geometry.v5 {
        put(bytes, 152, &number.to_be_bytes());
        put(bytes, 160, &shape.geometry.uuid);
        put_checksum(bytes, CRC);
    }
}

/// Fields of an inode core: offset and length. What is not named is a byte, or kept.
const SWAPPED: [(usize, usize); 17] = [
    (0, 2),
    (2, 2),
    (8, 4),
    (12, 4),
    (16, 4),
    (20, 2),
    (22, 2),
    (56, 8),
    (64, 8),
    (72, 4),
    (84, 4),
    (88, 2),
    (90, 2),
    (92, 4),
    (104, 8),
    (120, 8),
    (128, 4),
];

/// Puts a logged core, which is in the byte order of its host, into an inode.
fn put_core(core: &Fork, bytes: &mut [u8]) {
    let logged = Le(&core.bytes);
    let version = logged.u8(4);
    let flags2 = if version == 3 { logged.u64(120) } else { 0 };
    let swap = |bytes: &mut [u8], at: usize, len: usize| {
        let mut field = logged.array::<8>(at);
        field[..len].reverse();
        put(bytes, at, &field[..len]);
    };
    for (at, len) in SWAPPED {
        if version == 3 || at < 96 {
            swap(bytes, at, len);
        }
    }
    for at in [4, 5, 82, 83] {
        put(bytes, at, &[logged.u8(at)]);
    }
    // A metadata file's type; in version 1 the link count.
    if version == 1 || flags2 & METADATA != 0 {
        swap(bytes, 6, 2);
    } else {
        put(bytes, 6, &[0; 2]);
    }
    let large_counts = flags2 & LARGE_COUNTS != 0;
    // Versions 1 and 2 have a counter of flushes here, which starts anew.
    put(bytes, 24, &[0; 8]);
    if large_counts {
        swap(bytes, 24, 8);
    }
    swap(bytes, 76, 4);
    swap(bytes, 80, 2);
    let times: &[usize] = if version == 3 { &[32, 40, 48, 144] } else { &[32, 40, 48] };
    for &at in times {
        if flags2 & BIGTIME != 0 {
            swap(bytes, at, 8);
        } else {
            swap(bytes, at, 4);
            swap(bytes, at + 4, 4);
        }
    }
    if version == 3 {
        put(bytes, 112, &core.lsn.to_be_bytes());
        put(bytes, 132, &[0; 12]);
        swap(bytes, 152, 8);
        put(bytes, 160, &logged.array::<16>(160));
    }
}

/// Puts a fork into its room.
fn put_fork(shape: &Shape, fork: &Fork, room: &mut [u8]) -> Result<(), Fault> {
    if !fork.root {
        // A fork that became another kind and has no extents leaves bytes that nobody reads.
        let len = fork.bytes.len().min(room.len());
        room[..len].copy_from_slice(&fork.bytes[..len]);
        return Ok(());
    }
    // In memory the root has the header of a whole block; keys, then pointers, with room for as many as fit.
    let header = if shape.geometry.v5 { 72 } else { 24 };
    let fields = Be(&fork.bytes);
    let (level, count) = (fields.u16(4), usize::from(fields.u16(6)));
    let most = fork.bytes.len().saturating_sub(header) / 16;
    let room_for = room.len().saturating_sub(4) / 16;
    let (keys, pointers) = (fields.slice(header, count * 8), fields.slice(header + most * 8, count * 8));
    let (Some(keys), Some(pointers), true) = (keys, pointers, count <= most) else {
        return Err(Fault::corrupt("the root of an extent tree in the log that is cut off"));
    };
    if count > room_for {
        // As above: the fork is of another kind by now.
        return Ok(());
    }
    put(room, 0, &level.to_be_bytes());
    put(room, 2, &(count as u16).to_be_bytes());
    put(room, 4, keys);
    put(room, 4 + room_for * 8, pointers);
    Ok(())
}
