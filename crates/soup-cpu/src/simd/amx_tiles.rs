//! What a product does with AMX tiles, on the processor or emulated by a test.

/// Most rows of an AMX tile.
pub(crate) const ROWS: usize = 16;

/// A block of two by three AMX tiles of sums, each of up to 16 rows and of 16 columns, of products of bfloat16 pairs.
///
/// # Safety
/// All functions need a processor with AMX. `begin` comes first and `end` last, on one thread; pointers must be valid
/// for what is read and written.
#[cfg(target_arch = "x86_64")]
pub(crate) trait AmxTiles {
    /// Configures the tiles for `rows` rows and `k` words (8 or 16) of the sum.
    unsafe fn begin(&mut self, rows: usize, k: usize);
    /// Sets all sums to 0.
    unsafe fn zero(&mut self);
    /// Adds `steps` (at least one) times `k` words to the sums: `M` tiles of rows of the left operand, `left_row`
    /// words apart, times rows of the right operand, `right_row` words apart, of `N` vectors of 16 columns.
    unsafe fn add<const M: usize, const N: usize>(
        &mut self,
        left: ([*const f32; M], usize),
        right: (*const f32, usize),
        k: usize,
        steps: usize,
    );
    /// Adds the product of the operand tiles as they are to all six sums, so many times. For measuring the peak.
    unsafe fn repeat(&mut self, times: usize);
    /// Writes the sums, rows `row` values apart, those of the second tile of rows from row [`ROWS`] on.
    unsafe fn store<const M: usize, const N: usize>(&mut self, to: *mut f32, row: usize);
    /// Releases the tiles.
    unsafe fn end(&mut self);
}
