/// The known name that a mistyped one most likely stands for.
///
/// Names are compared without case, `_`, `-` and `.`, by the number of insertions, deletions, replacements and
/// swaps of neighbours (optimal string alignment).
///
/// - Parameters:
///   - name: what was written.
///   - names: what exists.
/// - Returns: the nearest name if at most a third of its letters differ (one for short names), else the shortest that contains
///   at least three letters of what was written as a whole, else nil.
public func nearestName(to name: String, among names: some Collection<String>) -> String? {
    let wanted = simplified(name)
    let candidates = names.map { (name: $0, distance: editDistance(wanted, simplified($0))) }
    guard let best = candidates.min(by: { ($0.distance, $0.name) < ($1.distance, $1.name) }) else { return nil }
    if best.distance <= max(1, max(wanted.count, best.name.count) / 3) { return best.name }
    guard wanted.count >= 3 else { return nil }
    return names.filter { simplified($0).contains(wanted) }.min { ($0.count, $0) < ($1.count, $1) }
}

private func simplified(_ name: String) -> [Character] {
    // Longer names cannot be typing mistakes, and the comparison is quadratic.
    name.prefix(128).lowercased().filter { !"_-. ".contains($0) }
}

private func editDistance(_ a: [Character], _ b: [Character]) -> Int {
    guard !a.isEmpty, !b.isEmpty else { return max(a.count, b.count) }
    var older: [Int] = []
    var old = Array(0...b.count)
    for i in 1...a.count {
        var new = [i]
        for j in 1...b.count {
            var best = min(old[j] + 1, new[j - 1] + 1, old[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1))
            if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] { best = min(best, older[j - 2] + 1) }
            new.append(best)
        }
        (older, old) = (old, new)
    }
    return old[b.count]
}
