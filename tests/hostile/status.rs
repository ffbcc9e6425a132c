//! Known and unknown statuses.

use nss_cmc::cmc::response::{self, OtherInfo, Outcome};

use crate::common::der::oid;
use crate::message::{answer, control, id, int, seq, status, tlv, with_statuses};
use crate::{outcome, safe, shown};

fn refusal(n: i128, rest: &[Vec<u8>]) -> String {
    let der = with_statuses(&[status(n, rest)]);
    shown(&der);
    outcome(&der)
}

#[test]
fn every_cmc_status() {
    let token = seq(&[tlv(4, b"17"), tlv(0x18, b"20300102030405Z")]);
    for (n, rest, want) in [
        (0, vec![], "success 0"),
        (1, vec![], "the CA refused the request: status 1"),
        (2, vec![], "the CA refused the request: failed"),
        (3, token.clone(), "pending"),
        (3, vec![], "error: pending status without pendInfo"),
        (3, int(11), "error: pending status without pendInfo"),
        (4, vec![], "the CA refused the request: noSupport"),
        (5, vec![], "confirmRequired"),
        (6, vec![], "popRequired"),
        (6, int(8), "popRequired"),
        (7, vec![], "the CA processed only a part of the request: partial"),
        (7, token, "pending"),
        (8, vec![], "the CA refused the request: status 8"),
        (99, vec![], "the CA refused the request: status 99"),
        (-1, vec![], "the CA refused the request: status -1"),
        (1 << 40, vec![], "the CA refused the request: status 1099511627776"),
        // A status beyond 64 bits has no number, but is a refusal.
        (1 << 80, vec![], "the CA refused the request: status -1"),
    ] {
        assert_eq!(refusal(n, &[rest]), want, "{n}");
    }
}

#[test]
fn every_fail_info() {
    for (n, want) in [
        (0, "badAlg"),
        (11, "internalCAError"),
        (12, "tryLater"),
        (13, "authDataFail"),
        (14, "failInfo 14"),
        (99, "failInfo 99"),
        (1000, "failInfo 1000"),
        (1999, "failInfo 1999"),
        (-1, "failInfo -1"),
        (1 << 40, "failInfo 1099511627776"),
        (1 << 80, "failInfo -1"),
    ] {
        assert_eq!(refusal(2, &[int(n)]), format!("the CA refused the request: failed, {want}"));
    }
}

#[test]
fn other_infos() {
    let of = |der: &[u8]| {
        let response = response::parse(&with_statuses(&[status(2, &[der.to_vec()])])).unwrap();
        match response.undecodable_status() {
            Some(e) => Err(e),
            None => Ok(response.statuses()[0].other.clone()),
        }
    };
    let extended = [vec![6, 2, 0x2a, 3], vec![5, 0]].concat();
    let want = Some(OtherInfo::Extended("1.2.3".into(), vec![5, 0]));
    // Tagged as RFC 5272 requires, and as JSS encodes it.
    assert_eq!(of(&tlv(0xa1, &extended)).unwrap(), want);
    assert_eq!(of(&tlv(0x30, &extended)).unwrap(), want);
    let pending = seq(&[tlv(4, b"\x1b"), tlv(0x18, b"20300102030405Z")]);
    assert_eq!(
        of(&pending).unwrap(),
        Some(OtherInfo::Pend { token: vec![0x1b], time: 1_893_553_445 })
    );
    for (what, der) in [
        ("a time that is none", seq(&[tlv(4, b"1"), tlv(0x18, b"20301302030405Z")])),
        ("no time", seq(&[tlv(4, b"1")])),
        ("an extendedFailInfo without value", seq(&[vec![6, 2, 0x2a, 3]])),
        ("an empty sequence", seq(&[])),
        ("[0]", tlv(0xa0, &extended)),
        ("an empty INTEGER", vec![2, 0]),
        ("NULL", vec![5, 0]),
    ] {
        assert!(of(&der).is_err(), "{what}");
        let text = shown(&with_statuses(&[status(2, &[der])]));
        assert!(text.contains("Error found in the response."), "{what}: {text}");
    }
}

#[test]
fn body_lists() {
    let listed = |list: &[u8]| {
        let der = with_statuses(&[seq(&[int(2), tlv(0x30, list)])]);
        let response = response::parse(&der).unwrap();
        match response.undecodable_status() {
            Some(e) => Err(e.to_string()),
            None => Ok(response.statuses()[0].body_list.join(" ")),
        }
    };
    for (list, want) in [
        (vec![], ""),
        ([int(1), int(2)].concat(), "1 2"),
        (int(-5), "-5"),
        (int(1 << 33), "8589934592"),
        (seq(&[int(1), int(2), int(3)]), "1.2.3"),
        (seq(&[]), ""),
        ([int(9), seq(&[int(1)])].concat(), "9 1"),
    ] {
        assert_eq!(listed(&list).unwrap(), want);
    }
    for bad in [tlv(4, b"x"), seq(&[tlv(4, b"x")]), vec![2, 0]] {
        assert!(listed(&bad).is_err(), "{bad:?}");
    }
}

#[test]
fn a_refusal_wins() {
    let (success, failed) = (status(0, &[]), status(2, &[int(2)]));
    let pop = status(6, &[int(8)]);
    let pending = status(3, &[seq(&[tlv(4, b"17"), tlv(0x18, b"20300102030405Z")])]);
    let refused = "the CA refused the request: failed, badRequest";
    // All of these are for the same body part.
    for (statuses, want) in [
        (vec![success.clone(), failed.clone()], refused),
        (vec![failed.clone(), success.clone()], refused),
        (vec![pop.clone(), failed.clone()], refused),
        (vec![pending.clone(), failed.clone()], refused),
        (vec![success.clone(), pop.clone()], "popRequired"),
        (vec![success.clone(), status(5, &[])], "confirmRequired"),
        (vec![status(5, &[]), success.clone()], "confirmRequired"),
        (vec![status(5, &[]), pop.clone()], "popRequired"),
        (vec![status(5, &[]), failed.clone()], refused),
        (vec![success.clone(), pending.clone()], "pending"),
        (vec![], "success 0"),
    ] {
        assert_eq!(outcome(&with_statuses(&statuses)), want);
        // Each in a control of its own, of either version.
        for id in [oid::CMC_STATUS_INFO, oid::CMC_STATUS_INFO_V2] {
            let controls: Vec<_> =
                statuses.iter().map(|s| control(id, std::slice::from_ref(s))).collect();
            assert_eq!(outcome(&answer(&controls)), want);
        }
    }
    // An undecodable status makes the whole response invalid.
    let broken = [success, tlv(4, b"x")];
    assert!(outcome(&with_statuses(&broken)).starts_with("error: cannot decode the CMC status"));
}

#[test]
fn certificates_beside_a_refusal_are_not_handed_out() {
    let mut signed = crate::message::Signed::response(&crate::message::pki_response(&[control(
        oid::CMC_STATUS_INFO_V2,
        &[status(2, &[int(2)])],
    )]));
    signed.certificates = tlv(0xa0, &seq(&[int(1)]));
    let response = response::parse(&signed.der()).unwrap();
    assert_eq!(response.certificates.len(), 1);
    assert!(matches!(response.outcome(), Outcome::Rejected(_)));
}

#[test]
fn what_the_ca_writes_cannot_act() {
    for text in [
        "\u{1b}[2J\u{1b}]0;title\u{7}",
        "no\r\nStatus: SUCCESS",
        "\u{202e}drowssap\u{2066}\u{200b}",
        "nul\0nul",
        "\u{9b}31m",
        "\u{2028}line\u{2029}",
        "\u{e0041}\u{e0042}hidden tags",
        "a\u{ad}b\u{180e}c\u{fff9}d\u{fffb}",
    ] {
        let der = with_statuses(&[status(2, &[tlv(0x0c, text.as_bytes()), int(2)])]);
        let all = shown(&der);
        assert!(!all.contains(text), "{text:?}");
        // Never at the beginning of a line.
        assert!(!all.lines().any(|l| l.trim_start().starts_with("Status: SUCCESS")), "{all}");
        let Outcome::Rejected(refused) = response::parse(&der).unwrap().outcome() else {
            panic!("no refusal");
        };
        let error = refused.into_error();
        safe(&error.to_string());
        assert_eq!(error.to_string().lines().count(), 1);
        let hidden = |c: char| matches!(c, '\u{ad}' | '\u{180e}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}');
        assert!(!error.to_string().contains(hidden), "{error}");
        let detail = error.cmc_detail().unwrap().text.clone().unwrap();
        safe(&detail);
        assert_eq!(detail.lines().count(), 1);
    }
    // A text of a megabyte is printed by show, but error messages stay short.
    let long = "x".repeat(1 << 20);
    let error = refusal(2, &[tlv(0x0c, long.as_bytes())]);
    assert!(error.len() < 1200 && error.ends_with("… (1048576 octets)"), "{}", error.len());
    // Octets that aren't UTF-8.
    let der = with_statuses(&[status(2, &[tlv(0x0c, &[0xff, 0xfe])])]);
    assert!(outcome(&der).starts_with("error: "), "{}", outcome(&der));
    shown(&der);
    // An OBJECT IDENTIFIER beside the text for users.
    let der = with_statuses(&[status(2, &[seq(&[id(oid::ID_DATA), tlv(0x0c, b"\x1b[2J")])])]);
    assert!(shown(&der).contains("1 2 840 113549 1 7 1"));
}
