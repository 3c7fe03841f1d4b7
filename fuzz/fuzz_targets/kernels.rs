//! Kernel images, unified ones, and the files of boot loaders, of any bytes.
#![no_main]

use coldread_artifacts::identity::{
    boot::{BootDefault, BootEntry, BootMenu},
    extlinux::Extlinux,
    kernel::{Grub, KernelImages},
    loader::{LoaderConf, LoaderEntries},
    unified::UnifiedKernels,
};
use coldread_model::SystemIdentity;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    coldread_fuzz::extract(&KernelImages, "/boot/vmlinuz-6.1", bytes, None);
    coldread_fuzz::extract(&UnifiedKernels, "/efi/EFI/Linux/x.efi", bytes, None);
    // A stub that leads to the bytes as PE header and section table.
    let mut program = vec![0; 64];
    program[..2].copy_from_slice(b"MZ");
    program[0x3c] = 64;
    program.extend(b"PE\0\0");
    program.extend(bytes);
    coldread_fuzz::extract(&UnifiedKernels, "/efi/EFI/Linux/x.efi", &program, None);
    coldread_fuzz::extract(&Grub, "/boot/grub/grub.cfg", bytes, None);
    coldread_fuzz::extract(&LoaderEntries, "/boot/loader/entries/x.conf", bytes, None);
    coldread_fuzz::extract(&LoaderConf, "/boot/loader/loader.conf", bytes, None);
    // A pattern, and the names of files that it is to choose among, with words that sort them.
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let mut menu = BootMenu::default();
    menu.set_default(BootDefault::Fits(lines.next().unwrap_or_default().chars().take(512).collect()));
    while let (Some(name), Some(word)) = (lines.next(), lines.next()) {
        let entry = BootEntry::of_file(format!("{name}.conf").as_bytes(), ".conf");
        let word = Some(word.to_owned());
        let of = |entry| BootEntry { sort_key: word.clone(), version: word.clone(), ..entry };
        entry.map(of).into_iter().for_each(|entry| menu.add(entry));
    }
    menu.choose(&mut SystemIdentity::default(), |_| true);
    coldread_fuzz::extract(&Extlinux, "/boot/extlinux/extlinux.conf", bytes, None);
});
