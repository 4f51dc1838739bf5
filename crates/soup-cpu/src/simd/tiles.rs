//! What a product does with square tiles, whoever multiplies them.

/// Rows of a tile of the left side and of the sums.
pub(crate) const ROWS: usize = 16;

/// Tiles of sums of 16 rows and up to three times 16 columns, of products of bfloat16 pairs.
///
/// # Safety
/// All functions need a processor with tiles. `begin` comes first and `end` last, on one thread; pointers must be valid
/// for what is read and written.
pub(crate) trait Tiles {
    /// Lays tiles out for `k` words in a step of the sum: 8 or 16.
    unsafe fn begin(&mut self, k: usize);
    /// All sums 0.
    unsafe fn zero(&mut self);
    /// Adds `steps` (at least one) times `k` words to the sums: rows of the left side, `left_row` words apart, times rows
    /// of the right side, `right_row` words apart, of `N` vectors of 16 columns.
    unsafe fn add<const N: usize>(
        &mut self,
        left: (*const f32, usize),
        right: (*const f32, usize),
        k: usize,
        steps: usize,
    );
    /// Writes the sums, rows `row` values apart.
    unsafe fn store<const N: usize>(&mut self, to: *mut f32, row: usize);
    /// Gives the tiles back.
    unsafe fn end(&mut self);
}
