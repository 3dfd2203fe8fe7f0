//! Whether two runs decided the same, and if not, where they first differ.
//!
//! Not here: the runs. A run is a function that can be asked again.

/// One run: given `None` it returns a digest for each block of decisions; given a block it returns that block's decisions
/// too, a line each.
pub type Replay<'a> = dyn FnMut(Option<usize>) -> (Vec<u64>, Vec<String>) + 'a;

/// What the comparison of two runs found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// Every block agrees.
    Same {
        /// How many blocks there were.
        blocks: usize,
    },
    /// They part here.
    Different {
        /// The first block that differs.
        block: usize,
        /// The first decision of the block that differs; `None` if the block agreed when it was run again.
        decision: Option<Difference>,
    },
}

/// The first decision on which two runs differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its number within the block.
    pub index: usize,
    /// What the first run decided; `None` if it had ended.
    pub first: Option<String>,
    /// What the second run decided; `None` if it had ended.
    pub second: Option<String>,
}

/// Runs both and compares their digests; where they differ, runs both again for the decisions of that block.
pub fn compare(first: &mut Replay, second: &mut Replay) -> Comparison {
    let (ours, _) = first(None);
    let (theirs, _) = second(None);
    let Some(block) = first_difference(&ours, &theirs) else { return Comparison::Same { blocks: ours.len() } };
    let (_, ours) = first(Some(block));
    let (_, theirs) = second(Some(block));
    let decision = first_difference(&ours, &theirs).map(|index| Difference {
        index,
        first: ours.get(index).cloned(),
        second: theirs.get(index).cloned(),
    });
    Comparison::Different { block, decision }
}

fn first_difference<T: PartialEq>(first: &[T], second: &[T]) -> Option<usize> {
    (0..first.len().max(second.len())).find(|&index| first.get(index) != second.get(index))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(digests: &'static [u64], decisions: &'static [&'static str]) -> Box<Replay<'static>> {
        Box::new(move |block| {
            let decisions = block.map_or(Vec::new(), |_| decisions.iter().map(|&d| d.to_owned()).collect());
            (digests.to_vec(), decisions)
        })
    }

    fn differs(block: usize, index: usize, first: Option<&str>, second: Option<&str>) -> Comparison {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Comparison::Different {
            block,
            decision: Some(Difference { index, first: owned(first), second: owned(second) }),
        }
    }

    #[test]
    fn runs_that_agree_are_run_once_each() {
        let mut runs = 0;
        let found = compare(
            &mut |block| {
                assert_eq!(block, None);
                runs += 1;
                (vec![1, 2], Vec::new())
            },
            &mut run(&[1, 2], &[]),
        );
        assert_eq!((found, runs), (Comparison::Same { blocks: 2 }, 1));
    }

    #[test]
    fn the_first_decision_that_differs_is_named() {
        let found = compare(&mut run(&[1, 2, 3], &["a", "b"]), &mut run(&[1, 9, 8], &["a", "c"]));
        assert_eq!(found, differs(1, 1, Some("b"), Some("c")));
    }

    #[test]
    fn the_block_that_was_asked_for_is_the_one_that_differs() {
        let mut asked = Vec::new();
        compare(
            &mut |block| {
                asked.push(block);
                (vec![1, 2], Vec::new())
            },
            &mut run(&[1, 3], &[]),
        );
        assert_eq!(asked, [None, Some(1)]);
    }

    #[test]
    fn a_run_that_ends_early_differs_at_its_end() {
        let found = compare(&mut run(&[1, 2], &["a"]), &mut run(&[1], &[]));
        assert_eq!(found, differs(1, 0, Some("a"), None));
    }

    #[test]
    fn a_difference_that_does_not_come_back_is_still_a_difference() {
        let found = compare(&mut run(&[1], &["a"]), &mut run(&[2], &["a"]));
        assert_eq!(found, Comparison::Different { block: 0, decision: None });
    }
}
