#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use super::pickle::Pickle;
use super::state_dict;
use super::storage::{Element, Storages};
use super::value::{Storage, View};

fn read(operations: &[u8]) -> Result<String, String> {
    let pickle = Pickle::read(operations)?;
    let value = format!("{:?}", pickle.value(pickle.root));
    Ok(value)
}

#[test]
fn pickles_that_take_what_is_not_there_are_refused() {
    for operations in [
        &b"."[..],
        b"0.",
        b"(0.",
        b"(K\x01(0.",
        b"t.",
        b"\x85.",
        b"K\x01\x86.",
        b"h\x00.",
        b"j\xff\xff\xff\xff.",
        b"q\x00.",
        b"e.",
        b"K\x01a.",
        b"K\x01K\x01a.",
        b"}K\x01s.",
        b"}(K\x01u.",
        b"NNs.",
        b"NR.",
        b"NNR.",
        b"NQ.",
        b")Q.",
        b"N}b.",
        b"X\xff\xff\xff\xffab.",
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff.",
        b"X\x01\x00\x00\x00\xff.",
        b"\x8a\x09a.",
        b"ctorch\nFloatStorage",
        b"ctorch",
        b"}",
        b"\x80",
        b"",
    ] {
        assert!(read(operations).is_err(), "{}", operations.escape_ascii());
    }
}

#[test]
fn functions_are_known_by_their_whole_name_alone() {
    for name in [
        "os\nsystem",
        "builtins\neval",
        "torch\nload",
        "torch._utils\n_rebuild_qtensor",
        "collections\nCounter",
        "torch\nFloatStorage ",
        "torch._utils\n_rebuild_tensor_v2.__globals__",
    ] {
        let error = read(format!("c{name}\n.").as_bytes()).unwrap_err();
        assert!(error.starts_with("it names '"), "{error}");
    }
    // Operations that make objects or import by number.
    for operation in [
        b'i', b'o', 0x81, 0x92, 0x82, 0x83, 0x84, b'P', b'I', b'S', b'V', b'd', b'l',
    ] {
        let error = read(&[b'}', b'}', operation, b'.']).unwrap_err();
        assert!(error.contains("makes no tensor"), "{error}");
    }
    // Known ones, called with what they cannot take.
    for arguments in ["", "N", "NNNN", "K\x01K\x01K\x01K\x01"] {
        for name in ["_rebuild_tensor_v2", "_rebuild_parameter"] {
            let operations = format!("ctorch._utils\n{name}\n({arguments}tR.");
            assert!(read(operations.as_bytes()).is_err(), "{operations}");
        }
    }
}

#[test]
fn no_pickle_makes_more_values_than_a_million() {
    let mut operations = vec![b')'; (1 << 20) + 1];
    operations.push(b'.');
    let error = read(&operations).unwrap_err();
    assert!(
        error.starts_with("it has more than 1048576 values"),
        "{error}"
    );
    // What is shared or holds itself stays one value, and only what is asked for is walked.
    let mut operations = b"}q\x00".to_vec();
    operations.extend_from_slice(b"X\x0a\x00\x00\x00state_dicth\x00s");
    operations.push(b'.');
    let pickle = Pickle::read(&operations).unwrap();
    let error = state_dict::find(&pickle).unwrap_err();
    assert_eq!(error, "it holds no tensors but 'state_dict'");
}

#[test]
fn views_stay_within_their_storage() {
    let bytes: Vec<u8> = (0..6u8).flat_map(|x| f32::from(x).to_le_bytes()).collect();
    let view = |offset: usize, shape: &[usize], strides: &[usize], length: usize| {
        let view = View {
            storage: Storage {
                element: Element::F32,
                key: "0",
                length,
            },
            offset,
            shape: shape.to_vec(),
            strides: strides.to_vec(),
        };
        let tensor = Storages(BTreeMap::from([("0", bytes.as_slice())])).tensor(&view)?;
        let (values, _) = tensor.bytes.as_chunks::<4>();
        Ok::<Vec<f32>, String>(values.iter().map(|v| f32::from_le_bytes(*v)).collect())
    };
    assert_eq!(
        view(0, &[2, 3], &[3, 1], 6).unwrap(),
        [0., 1., 2., 3., 4., 5.]
    );
    assert_eq!(
        view(0, &[3, 2], &[1, 3], 6).unwrap(),
        [0., 3., 1., 4., 2., 5.]
    );
    assert_eq!(view(1, &[2, 1], &[4, 9], 6).unwrap(), [1., 5.]);
    assert_eq!(view(5, &[], &[], 6).unwrap(), [5.]);
    assert!(view(6, &[0, 4], &[1, 1], 6).unwrap().is_empty());
    assert_eq!(view(2, &[3], &[0], 6).unwrap(), [2.; 3]);
    let most = usize::MAX;
    for (offset, shape, strides, length) in [
        (1, &[2, 3][..], &[3, 1][..], 6),
        (0, &[2, 3], &[4, 1], 6),
        (6, &[], &[], 6),
        (most, &[1], &[1], 6),
        (0, &[2], &[most], 6),
        (1, &[2], &[most], 6),
        (0, &[7], &[0], 6),
        (0, &[most, most], &[0, 0], 6),
        (0, &[3, 3], &[most / 2, most / 2], 6),
        // The storage is not what it says.
        (0, &[1], &[1], 7),
        (0, &[1], &[1], 5),
        (0, &[1], &[1], most),
    ] {
        let error = view(offset, shape, strides, length);
        assert!(error.is_err(), "{offset} {shape:?} {strides:?} {length}");
    }
}
