use super::*;

/// A file with a header as it is, of a version and with data.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(header.len()).unwrap();
    [MAGIC, &[1, 0], &length.to_le_bytes(), header.as_bytes(), data].concat()
}

fn header(descr: &str, fortran_order: &str, shape: &str) -> String {
    format!("{{'descr': '{descr}', 'fortran_order': {fortran_order}, 'shape': {shape}, }}\n")
}

fn values(descr: &str, shape: &str, data: &[u8]) -> Result<Vec<f32>, String> {
    let array = parse(&file(&header(descr, "False", shape), data));
    array.map(|array| array.values).map_err(|error| format!("{error:#}"))
}

#[test]
fn every_kind_of_number_in_both_orders() {
    for (descr, data, want) in [
        ("<f4", &(-1.5f32).to_le_bytes()[..], -1.5),
        (">f4", &(-1.5f32).to_be_bytes(), -1.5),
        ("<f2", &half::f16::from_f32(0.25).to_le_bytes(), 0.25),
        (">f2", &half::f16::from_f32(0.25).to_be_bytes(), 0.25),
        ("<f8", &0.1f64.to_le_bytes(), 0.1),
        (">f8", &0.1f64.to_be_bytes(), 0.1),
        ("|i1", &[0xfe], -2.0),
        ("<i2", &(-300i16).to_le_bytes(), -300.0),
        (">i2", &(-300i16).to_be_bytes(), -300.0),
        ("<i4", &(-70_000i32).to_le_bytes(), -70_000.0),
        (">i8", &(-16_777_216i64).to_be_bytes(), -16_777_216.0),
        ("<u2", &[0xff, 0xff], 65_535.0),
        (">u4", &[0, 1, 0, 0], 65_536.0),
        ("<u8", &[0, 0, 0, 1, 0, 0, 0, 0], 16_777_216.0),
    ] {
        assert_eq!(values(descr, "(1,)", data).unwrap(), [want], "{descr}");
    }
}

#[test]
fn what_is_no_such_number_is_refused() {
    for (descr, data, message) in [
        ("<i4", &16_777_217i32.to_le_bytes()[..], "value 0 is 16777217: integers must be at most 16777216"),
        ("<i8", &i64::MIN.to_le_bytes(), "value 0 is -9223372036854775808"),
        ("<u8", &[0xff; 8], "value 0 is 18446744073709551615"),
        ("<f4", &f32::NAN.to_le_bytes(), "value 0 is NaN: it must be finite"),
        ("<f8", &1e39f64.to_le_bytes(), "value 0 is inf"),
        ("|u1", &[1], "pixels or numbers?"),
        ("|b1", &[1], "its dtype is \"|b1\""),
        ("<c8", &[0; 8], "its dtype is \"<c8\""),
        ("|O", &[0; 8], "its dtype is \"|O\""),
        ("|f4", &[0; 4], "its dtype is \"|f4\""),
        ("<f16", &[0; 16], "its dtype is \"<f16\""),
        ("<V2", &[0; 2], "its dtype is \"<V2\""),
        ("", &[], "its dtype is \"\""),
    ] {
        let error = values(descr, "(1,)", data).unwrap_err();
        assert!(error.contains(message), "{descr}: {error}");
    }
}

/// `[[0, 1, 2], [3, 4, 5]]` has its columns one after another in Fortran order.
#[test]
fn fortran_order_is_transposed() {
    let bytes = |numbers: &[f32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
    let columns = bytes(&[0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    let array = parse(&file(&header("<f4", "True", "(2, 3)"), &columns)).unwrap();
    assert_eq!(array, Array { shape: vec![2, 3], values: vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0] });
    // Four dimensions, by the definition.
    let shape = [2, 3, 4, 5];
    let mut fortran = vec![0.0; 120];
    for at in 0..120 {
        let (d, c, b, a) = (at % 5, at / 5 % 4, at / 20 % 3, at / 60);
        fortran[a + 2 * (b + 3 * (c + 4 * d))] = at as f32;
    }
    let array = parse(&file(&header("<f4", "True", "(2, 3, 4, 5)"), &bytes(&fortran))).unwrap();
    assert_eq!((array.shape.as_slice(), array.values), (&shape[..], (0..120).map(|at| at as f32).collect()));
    assert!(parse(&file(&header("<f4", "True", "(3, 0, 2)"), &[])).unwrap().values.is_empty());
}

#[test]
fn headers_as_others_write_them() {
    for text in [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }   \n",
        "{\"shape\":(2L,),\"fortran_order\":False,\"descr\":\"<f4\"}",
        "{'shape': (1, 2), 'descr': '<f4', 'fortran_order': False}\n",
    ] {
        assert_eq!(parse(&file(text, &[0; 8])).unwrap().values, [0.0, 0.0], "{text}");
    }
    assert_eq!(values("<f4", "()", &[0; 4]).unwrap(), [0.0]);
    let text = header("<f4", "False", "(1,)");
    for major in [2, 3] {
        let length = u32::try_from(text.len()).unwrap().to_le_bytes();
        let bytes = [MAGIC, &[major, 0], &length, text.as_bytes(), &[0; 4]].concat();
        assert_eq!(parse(&bytes).unwrap().values, [0.0]);
    }
}

#[test]
fn broken_headers_say_what_is_wrong() {
    let refuse = |bytes: &[u8], message: &str| {
        let error = format!("{:#}", parse(bytes).unwrap_err());
        assert!(error.contains(message) && error.lines().count() == 1, "{message}: {error}");
    };
    refuse(&[MAGIC, &[1]].concat(), "the file ends in its header");
    refuse(&[MAGIC, &[1, 0, 200, 0], b"{}"].concat(), "the file ends in its header");
    refuse(&[MAGIC, &[9, 0, 0, 0]].concat(), "its version is 9.0");
    refuse(&[MAGIC, &[2, 0, 0xff, 0xff, 0xff, 0xff]].concat(), "its header has 4294967295 bytes: at most 10000");
    for (text, message) in [
        ("", "must have {"),
        ("{}", "lacks descr, fortran_order or shape"),
        ("{'descr': [('a', '<f4')], }", "structures"),
        ("{'descr': '<f4', 'descr': '<f4'}", "has descr twice"),
        ("{'descr", "a string of its header has no end"),
        ("{'other': 1}", "has the key \"other\""),
        ("{'fortran_order': 1}", "must be True or False"),
        ("{'shape': (-1,)}", "a size in its header is \"-1,)}\""),
        ("{'shape': (99999999999999999999,)}", "below 2^64"),
        ("{'shape': ((((((", "a size in its header is \"(((((\""),
    ] {
        refuse(&file(text, &[]), message);
    }
    refuse(&file(&format!("{} x", header("<f4", "False", "(0,)")), &[]), "goes on with \"x\"");
    refuse(&file(&header("<f4", "False", "(3,)"), &[0; 8]), "takes 12 bytes: 8 follow the header (truncated?)");
    refuse(&file(&header("<f4", "False", "(1,)"), &[0; 8]), "takes 4 bytes: 8 follow the header");
    refuse(&file(&header("<f4", "False", "(4294967296, 4294967296)"), &[]), "overflows");
    refuse(&file(&header("<f8", "False", "(2305843009213693952,)"), &[]), "overflows");
    refuse(&file(&header("<f4", "False", &format!("({})", "1,".repeat(65))), &[0; 4]), "at most 64");
}

#[test]
fn what_is_written_reads_back() {
    for shape in [vec![], vec![3], vec![2, 3], vec![1, 2, 3, 4], vec![0, 2]] {
        let count = shape.iter().product();
        let array = Array { shape, values: (0..count).map(|at: usize| at as f32 / 3.0).collect() };
        let bytes = encode(&array).unwrap();
        assert_eq!((bytes.len() - 4 * count) % ALIGNMENT, 0);
        assert_eq!(parse(&bytes).unwrap(), array);
    }
}

/// Files with bytes changed, cut off and added: an answer or an error, and never more values than there are bytes.
#[test]
fn damaged_files_do_no_harm() {
    let array = Array { shape: vec![2, 3, 2], values: vec![1.0; 12] };
    let mut seeds = vec![encode(&array).unwrap()];
    for (descr, order) in [(">i2", "True"), ("<f8", "False"), ("|i1", "True")] {
        let data = vec![0; 12 * descr[2..].parse::<usize>().unwrap()];
        seeds.push(file(&header(descr, order, "(2, 3, 2)"), &data));
    }
    let mut state = 1u64;
    let mut below = |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % limit
    };
    let letters = b"'\",:(){}[]0123456789<>|fiubcTrueFalse \n\x00\xff\x80";
    for _ in 0..100_000 {
        let mut bytes = seeds[below(seeds.len())].clone();
        for _ in 0..1 + below(4) {
            let at = below(bytes.len());
            match below(4) {
                0 => bytes.truncate(at.max(1)),
                1 => bytes.insert(at, letters[below(letters.len())]),
                2 => bytes[at] = letters[below(letters.len())],
                _ => bytes[at] ^= 1 << below(8),
            }
        }
        if let Ok(array) = parse(&bytes) {
            assert!(array.values.len() <= bytes.len());
            assert_eq!(array.values.len(), array.shape.iter().product::<usize>());
        }
    }
}
