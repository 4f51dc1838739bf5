//! What a product does with square tiles, whoever multiplies them.

/// Most rows of a tile of the left side and of the sums.
pub(crate) const ROWS: usize = 16;

/// Two by three tiles of sums, each of up to 16 rows and of 16 columns, of products of bfloat16 pairs.
///
/// # Safety
/// All functions need a processor with tiles. `begin` comes first and `end` last, on one thread; pointers must be valid
/// for what is read and written.
#[cfg(target_arch = "x86_64")]
pub(crate) trait Tiles {
    /// Lays tiles out for `rows` rows and `k` words in a step of the sum: 8 or 16.
    unsafe fn begin(&mut self, rows: usize, k: usize);
    /// All sums 0.
    unsafe fn zero(&mut self);
    /// Adds `steps` (at least one) times `k` words to the sums: `M` tiles of rows of the left side, `left_row` words
    /// apart, times rows of the right side, `right_row` words apart, of `N` vectors of 16 columns.
    unsafe fn add<const M: usize, const N: usize>(
        &mut self,
        left: ([*const f32; M], usize),
        right: (*const f32, usize),
        k: usize,
        steps: usize,
    );
    /// Adds the product of what the last step left in the tiles to all six sums, so many times: what a processor does
    /// at most.
    unsafe fn repeat(&mut self, times: usize);
    /// Writes the sums, rows `row` values apart, those of the second tile of rows from row [`ROWS`] on.
    unsafe fn store<const M: usize, const N: usize>(&mut self, to: *mut f32, row: usize);
    /// Gives the tiles back.
    unsafe fn end(&mut self);
}
