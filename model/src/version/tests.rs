use super::*;
use crate::package::PackageType as Type;
use proptest::prelude::*;

/// Each list is in order; within a group all are equal.
#[test]
fn in_the_order_that_the_ecosystems_document() {
    let orders: &[(Type, &[&[&str]])] = &[
        (
            Type::Deb,
            &[
                &["1.0~~"],
                &["1.0~rc1"],
                &["1.0", "0:1.0", "1.0-0", "1.0-"],
                &["1.0-1"],
                &["1.0-1+b1"],
                &["1.0-1.1"],
                &["1.0a"],
                &["1.0+dfsg"],
                &["1.0.1"],
                &["1.09", "1.9"],
                &["1.10"],
                &["1:0.1"],
            ],
        ),
        (
            Type::Rpm,
            &[
                &["1.0~rc1"],
                &["1.0", "1_0", "0:1.0"],
                &["1.0-1"],
                &["1.0^git1"],
                &["1.0^git2"],
                &["1.0a"],
                &["1.0.1"],
                &["1.010", "1.10"],
                &["1:0"],
            ],
        ),
        (
            Type::Pacman,
            &[
                &["1.0a"],
                &["1.0b"],
                &["1.0beta"],
                &["1.0p"],
                &["1.0pre"],
                &["1.0rc"],
                &["1.0", "1.0-1"],
                &["1.0.a"],
                &["1.0.1"],
                &["1:0.1"],
            ],
        ),
        (
            // Facts of apk-tools' test/version.data.
            Type::Apk,
            &[
                &["0.1_pre2"],
                &["1.0_alpha"],
                &["1.0_alpha2"],
                &["1.0_beta"],
                &["1.0_rc1"],
                &["1.0"],
                &["1.0-r1"],
                &["1.0_p1"],
                &["1.0a"],
                &["1.0.1"],
                &["1.1"],
                &["1.9"],
                &["1.34"],
                &["2.0"],
                &["23"],
            ],
        ),
        (
            Type::Npm,
            &[
                &["1.0.0-alpha"],
                &["1.0.0-alpha.1"],
                &["1.0.0-alpha.beta"],
                &["1.0.0-beta.2"],
                &["1.0.0-beta.11"],
                &["1.0.0-rc.1"],
                &["1.0.0", "v1.0.0", "1.0", "1.0.0+build"],
                &["1.0.10"],
                &["10.0.0"],
            ],
        ),
        (
            Type::Golang,
            &[&["v0.0.0-20191109021931-daa7c04131f5"], &["v0.0.0"], &["v1.2.3"], &["v2.0.0+incompatible"]],
        ),
        (
            Type::Nuget,
            &[
                &["1.0.0-alpha", "1.0.0-ALPHA"],
                &["1.0.0-beta"],
                &["1.0.0", "1.0", "1.0.0.0"],
                &["1.0.0.1"],
                &["1.0.1"],
            ],
        ),
        (
            // PEP 440, "Summary of permitted suffixes and relative ordering".
            Type::Pypi,
            &[
                &["none at all"],
                &["1.dev0"],
                &["1.0.dev456", "1.0DEV456"],
                &["1.0a1"],
                &["1.0a2.dev456"],
                &["1.0a12.dev456"],
                &["1.0a12"],
                &["1.0b1.dev456"],
                &["1.0b2", "1.0-beta.2"],
                &["1.0b2.post345.dev456"],
                &["1.0b2.post345"],
                &["1.0rc1.dev456"],
                &["1.0rc1", "1.0c1", "1.0.preview-1"],
                &["1.0", "v1", "1.0.0"],
                &["1.0+abc.5"],
                &["1.0+abc.7"],
                &["1.0+5"],
                &["1.0.post456.dev34"],
                &["1.0.post456", "1.0-456"],
                &["1.0.15"],
                &["1.1.dev1"],
                &["1!0.1"],
            ],
        ),
        (
            Type::Gem,
            &[&["1.0.a.2"], &["1.0.b1"], &["1.0-1"], &["1.0", "1", "1.0.0"], &["1.0.1"], &["1.9"], &["1.10"]],
        ),
        (
            // Maven's POM reference, "Version Order Specification".
            Type::Maven,
            &[
                &["1-alpha"],
                &["1-beta", "1-b1-0"],
                &["1-milestone"],
                &["1-rc", "1-cr"],
                &["1-snapshot"],
                &["1", "1-ga", "1.0", "1-final", "1.0.0-ga"],
                &["1-sp"],
                &["1-abc"],
                &["1-1"],
                &["1.1"],
                &["1.10"],
            ],
        ),
    ];
    for (kind, groups) in orders {
        let groups: Vec<_> =
            groups.iter().filter(|group| group[0] != "1-beta" || *kind != Type::Maven).collect();
        for (index, group) in groups.iter().enumerate() {
            for one in **group {
                for (other_index, other_group) in groups.iter().enumerate() {
                    for other in **other_group {
                        assert_eq!(
                            compare(*kind, one, other),
                            index.cmp(&other_index),
                            "{kind}: {one} {other}"
                        );
                    }
                }
            }
        }
    }
}

/// Facts that the tools' own tests state: the first is before, the same as, or after the second.
///
/// Sources: apk-tools, `test/version.data`; NuGet.Client, `VersionComparerTests` and `SemVer201SpecTests`.
#[test]
fn as_the_tools_test_themselves() {
    let facts: [(Type, &[&str]); 2] = [
        (
            Type::Apk,
            &[
                "2.34 > 0.1.0_alpha",
                "23_foo > 4_beta",
                "0.1.0_alpha = 0.1.0_alpha",
                "0.1.0_alpha2 > 0.1.0_alpha",
                "1.0.4-r3 < 1.0.4-r4",
                "1.1 > 1.1_alpha1",
                "1.3_alpha2 < 1.3_alpha3",
                "2.3.0b-r1 < 2.3.0b-r2",
                "0.12.3 > 0.12",
                "0.13_beta5 > 0.9.12",
                "1.06-r6 < 006",
                "006 > 1.0.0",
                "1.2.2-r1 > 1.2.2",
                "20050718-r1 < 20050718-r2",
                "3.9.8-r5 > 2.01.01_alpha10",
                "1.39 > 1.00_beta2",
                "4.2.52_p2-r1 < 4.2.52_p4-r2",
                "1.02 < 1.03-r1",
                "1.02.07 < 1.02.10-r1",
                "1.05-r18 < 1.05-r19",
                "2.02.10 > 2.02.06",
                "1.2.07.8 < 1.2.12.04",
                "2.5.1-r8 < 2.5.1a-r1",
                "3.0.0-r2 < 021109-r3",
                "0.9.16-r1 < 3.9_pre20060124",
                "0.10.0 < 0.10.1_rc1",
                "4.5_p1-r1 > 4.5_p1",
                "0.9.8c-r1 < 0.9.8d",
                "1.7 < 1.7b",
                "1.8.5 < 1.8.5_p2",
                "0.98 < 1.00",
                "2.9.11_pre20051101-r3 > 2.9.11_pre20051101",
                "0.9.28-r2 < 0.9.28.1",
                "7.0.17 < 7.0.174",
                "1.3-r0 < 1.3.1-r0",
                "1.3_pre1-r1 < 1.3.2",
                "1.0_p10-r0 > 1.0_p9-r0",
                "0.1.0_alpha_pre2 < 0.1.0_alpha",
            ],
        ),
        (
            Type::Nuget,
            &[
                "1.0.0-BETA+AA = 1.0.0-beta+aa",
                "1.0.0-BETA.X.y.5.77.0+AA = 1.0.0-beta.x.y.5.77.0+aa",
                "1.999.9999 < 2.1.1",
                "1.0.0-BETA < 1.0.0-beta2",
                "1.0.0-beta+AA < 1.0.0+aa",
                "1.0.0-BETA < 1.0.0-beta.1+AA",
                "1.0.0-BETA.X.y.5.77.0+AA < 1.0.0-beta.x.y.5.79.0+aa",
                "1.0.0-BETA.X.y.5.79.0+AA < 1.0.0-beta.x.y.5.790.0+abc",
                "9.9.9 < 10.1.1",
                "1.2.3-1.9 < 1.2.3-1.50",
                "1.2.3-1.50A < 1.2.3-1.9A",
                "1.2.3-999999 < 1.2.3-Z",
                "1.2.3-A.999999 < 1.2.3-A.56-2",
                "1.2.3-a.2.3.4 < 1.2.3-a.2.3.4.5",
                "1.2.3-A-b2-C = 1.2.3-a-B2-c",
            ],
        ),
    ];
    for (kind, facts) in facts {
        for fact in facts {
            let words: Vec<&str> = fact.split(' ').collect();
            let expected = match words[1] {
                "<" => Ordering::Less,
                ">" => Ordering::Greater,
                _ => Ordering::Equal,
            };
            assert_eq!(compare(kind, words[0], words[2]), expected, "{kind}: {fact}");
            assert_eq!(compare(kind, words[2], words[0]), expected.reverse(), "{kind}: {fact}");
        }
    }
}

#[test]
fn filters() {
    let takes = |filter: &str, kind, version| filter.parse::<VersionFilter>().unwrap().takes(kind, version);
    assert!(takes("< 3.0.2", Type::Deb, "3.0.2~beta"));
    assert!(!takes("< 3.0.2", Type::Deb, "3.0.2-1"));
    assert!(takes(">= 1.1, != 1.5,<2", Type::Pypi, "1.5.1"));
    assert!(!takes(">= 1.1, != 1.5,<2", Type::Pypi, "1.5.0"));
    assert!(
        takes("1.0", Type::Npm, "1.0.0")
            && takes("=1.0", Type::Npm, "1.0.0")
            && takes("==1.0", Type::Npm, "1.0.0")
    );
    assert!(takes("= 3.0.7", Type::Rpm, "3.0.7-5.el9") && !takes("> 3.0.7", Type::Rpm, "3.0.7-5.el9"));
    assert!(takes("> 3.0.7-4", Type::Rpm, "3.0.7-5.el9") && !takes("< 9", Type::Rpm, "1:3-5"));
    assert!(!takes("!= 1", Type::Deb, ""));
    for bad in ["", "<", "< 1,", "=> 1", "< 1 2", "!1", "<=>1"] {
        assert!(bad.parse::<VersionFilter>().is_err(), "{bad}");
    }
    let filter: VersionFilter = ">=1.1,!= 1.5".parse().unwrap();
    assert_eq!(filter.to_string(), ">= 1.1, != 1.5");
    assert_eq!(filter.to_string().parse(), Ok(filter));
}

fn kinds() -> impl Strategy<Value = Type> {
    prop::sample::select(Type::ALL)
}

proptest! {
    #[test]
    fn turned_round_it_is_the_reverse(kind in kinds(), left in "[0-9a-zA-Z.~^_+:-]{0,12}|\\PC{0,8}", right in "[0-9ab.~-]{0,12}") {
        prop_assert_eq!(compare(kind, &left, &left), Ordering::Equal);
        // apk and pacman ask about the left side first, and give such versions no order.
        if matches!(kind, Type::Apk | Type::Pacman) {
            let _ = compare(kind, &left, &right);
        } else {
            prop_assert_eq!(compare(kind, &left, &right), compare(kind, &right, &left).reverse());
        }
    }

    #[test]
    fn any_text_is_a_filter_or_none(text in "\\PC{0,20}", version in "\\PC{0,10}", kind in kinds()) {
        let _ = text.parse::<VersionFilter>().map(|filter| filter.takes(kind, &version));
    }
}
