use super::{
    build::{BASE, FIRST, FORMS, Form},
    *,
};

/// The images of a file that is read in rounds, and how many rounds and bytes that took.
fn look(file: &[u8]) -> (Vec<Image>, usize, u64) {
    let mut pieces = Pieces::new(file.len() as u64);
    let (mut rounds, mut bytes) = (0, 0);
    loop {
        let found = images(&pieces);
        let missing = pieces.missing();
        if missing.is_empty() {
            return (found.unwrap(), rounds, bytes);
        }
        rounds += 1;
        for range in missing {
            bytes += range.len;
            pieces.add(range, &file[range.start as usize..range.end() as usize]);
        }
    }
}

#[test]
fn sections_of_every_form() {
    for form in FORMS {
        let go =
            if matches!(form, Form::MachO | Form::Universal) { "__go_buildinfo" } else { ".go.buildinfo" };
        let file = form.build(&[(".text", &[1; 3000]), (go, &[2; 64]), (".dep-v0", &[3; 10])]);
        let (images, ..) = look(&file);
        assert_eq!(images.len(), 1, "{form:?}");
        let image = &images[0];
        let rust = image.rust.unwrap();
        assert_eq!(&file[rust.start as usize..rust.end() as usize], [3; 10], "{form:?}");
        match image.go {
            GoPlace::Section(place) => {
                assert_eq!(&file[place.start as usize..place.end() as usize], [2; 64], "{form:?}");
            }
            GoPlace::Search(place) => assert_eq!((form, place.start), (Form::Pe(3), FIRST as u64)),
            GoPlace::None => panic!("{form:?}"),
        }
        assert_eq!(usize::from(image.pointer_bytes), form.pointer(0).len());
        assert_eq!(image.is_big_endian, form.is_big());
        let place = image.place(BASE + FIRST as u64 + 5).unwrap();
        assert_eq!(file[place.start as usize], 1);
        assert_eq!(image.place(BASE - 1), None);
        assert_eq!(image.place(u64::MAX), None);
    }
}

#[test]
fn a_large_file_costs_few_bytes() {
    let form = Form::Elf { is_wide: true, is_big: false, has_sections: true };
    let file = form.build(&[(".text", &vec![0; 8 << 20]), (".data", &[0; 9])]);
    let (images, rounds, bytes) = look(&file);
    assert_eq!((images[0].go, images[0].rust), (GoPlace::None, None));
    assert!(rounds <= 6 && bytes < 8192, "{rounds} rounds, {bytes} bytes");
}

#[test]
fn what_is_not_looked_into() {
    let none: [&[u8]; 6] =
        [b"", b"#!/bin/sh\n", b"MZ", &[0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 52], b"\x7fEL", b"PK\x03\x04xxxx"];
    for file in none {
        assert_eq!(look(file).0.len(), 0, "{file:x?}");
    }
    // No data of Windows' own libraries is read.
    assert_eq!(look(&Form::Pe(14).build(&[(".data", &[0; 99])])).0[0].go, GoPlace::None);
    let mut packed = Form::Elf { is_wide: true, is_big: false, has_sections: false }.build(&[("", &[0; 9])]);
    packed[0x150..0x154].copy_from_slice(b"UPX!");
    assert_eq!(look(&packed).0[0].packer, Some("UPX"));
    assert_eq!(look(&Form::Pe(14).build(&[("UPX0", &[0; 99])])).0[0].packer, Some("UPX"));
}
