//! Lists of lists in two flat vectors ("compressed sparse rows"): what hot paths walk instead of maps and vectors of vectors.

/// For each row a slice of targets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Csr<T> {
    /// Where each row begins; one more than there are rows.
    offsets: Vec<u32>,
    targets: Vec<T>,
}

impl<T: Copy> Csr<T> {
    /// Sorts pairs into rows. Within a row they keep their order.
    pub(crate) fn of(rows: usize, pairs: &[(u32, T)]) -> Self {
        let mut offsets = vec![0_u32; rows + 1];
        for &(row, _) in pairs {
            offsets[row as usize + 1] += 1;
        }
        for row in 0..rows {
            offsets[row + 1] += offsets[row];
        }
        let mut next = offsets.clone();
        let mut slots: Vec<Option<T>> = vec![None; pairs.len()];
        for &(row, target) in pairs {
            let slot = &mut next[row as usize];
            slots[*slot as usize] = Some(target);
            *slot += 1;
        }
        Self { offsets, targets: slots.into_iter().flatten().collect() }
    }

    /// Returns one row.
    pub(crate) fn row(&self, row: usize) -> &[T] {
        &self.targets[self.offsets[row] as usize..self.offsets[row + 1] as usize]
    }

    /// Returns how many targets there are in all.
    pub(crate) fn len(&self) -> usize {
        self.targets.len()
    }
}

#[cfg(test)]
mod tests {
    use super::Csr;

    #[test]
    fn rows_keep_the_order_of_their_pairs() {
        let csr = Csr::of(3, &[(2, 'a'), (0, 'b'), (2, 'c')]);
        assert_eq!((csr.row(0), csr.row(1), csr.row(2), csr.len()), (&['b'][..], &[][..], &['a', 'c'][..], 3));
    }
}
