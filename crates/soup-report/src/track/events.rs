//! The messages of TensorBoard's `event.proto` and `summary.proto` that scalars need, by their field
//! numbers, and the records that they stand in. Written by hand so that building needs no `protoc`.

use crc::{CRC_32_ISCSI, Crc};
use prost::Message;

/// `Event`.
#[derive(Clone, PartialEq, Message)]
pub struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    pub wall_time: f64,
    #[prost(int64, tag = "2")]
    pub step: i64,
    /// In the first event of a file only.
    #[prost(string, optional, tag = "3")]
    pub file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    pub summary: Option<Summary>,
}

/// `Summary`.
#[derive(Clone, PartialEq, Message)]
pub struct Summary {
    #[prost(message, repeated, tag = "1")]
    pub value: Vec<Value>,
}

/// `Summary.Value`.
#[derive(Clone, PartialEq, Message)]
pub struct Value {
    #[prost(string, tag = "1")]
    pub tag: String,
    #[prost(float, optional, tag = "2")]
    pub simple_value: Option<f32>,
}

/// Adds an event as a record: its length, the masked checksum of the length, the event, the masked
/// checksum of the event, all little-endian.
pub fn append(file: &mut Vec<u8>, event: &Event) {
    let bytes = event.encode_to_vec();
    let length = (bytes.len() as u64).to_le_bytes();
    file.extend(length);
    file.extend(masked(&length).to_le_bytes());
    file.extend(&bytes);
    file.extend(masked(&bytes).to_le_bytes());
}

/// CRC-32C, turned and moved, so that the checksum of data that hold checksums stays a good one.
fn masked(bytes: &[u8]) -> u32 {
    const CASTAGNOLI: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
    CASTAGNOLI
        .checksum(bytes)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against `tensorboard.compat.tensorflow_stub.pywrap_tensorflow.masked_crc32c`.
    #[test]
    fn checksums_are_those_of_tensorboard() {
        assert_eq!(masked(b"123456789"), 0xc78a_b0e5);
        assert_eq!(masked(b""), 0xa282_ead8);
    }
}
