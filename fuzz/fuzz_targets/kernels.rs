//! Kernel images, unified ones, and the files of boot loaders, of any bytes.
#![no_main]

use coldread_artifacts::identity::{
    extlinux::Extlinux,
    kernel::{Grub, KernelImages},
    loader::{LoaderConf, LoaderEntries},
    unified::UnifiedKernels,
};
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
    coldread_fuzz::extract(&Extlinux, "/boot/extlinux/extlinux.conf", bytes, None);
});
