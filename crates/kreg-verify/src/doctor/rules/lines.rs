//! Lines that are worth showing.

/// The lines among these that hold one of the words, the last few.
pub(super) fn lines_with<'a>(
    lines: impl IntoIterator<Item = &'a String>,
    words: &[&str],
) -> Vec<String> {
    const FEW: usize = 3;
    let mut found: Vec<String> = Vec::new();
    for line in lines {
        if words.iter().any(|word| line.contains(word)) && !found.contains(line) {
            found.push(line.clone());
        }
    }
    found.split_off(found.len().saturating_sub(FEW))
}
