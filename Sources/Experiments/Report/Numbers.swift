public import Foundation

/// A number with `digits` significant digits, without exponent where that stays short.
///
/// - Returns: e.g. `0.0123`, `1.50`, `12,345`, `3.2e-07`; words for infinities and NaN.
public func formatNumber(_ value: Double, digits: Int = 4) -> String {
    guard value.isFinite else { return value.isNaN ? "not a number" : value > 0 ? "∞" : "−∞" }
    guard value != 0 else { return "0" }
    let exponent = Int(log10(abs(value)).rounded(.down))
    if exponent < -4 || exponent > 14 { return String(format: "%.\(max(0, digits - 1))e", value) }
    let text = String(format: "%.\(max(0, digits - 1 - exponent))f", value)
    return groupThousands(text)
}

/// A whole number with thousands separated by commas.
public func formatCount(_ value: Int) -> String { groupThousands(String(value)) }

/// Bytes in the largest fitting decimal unit, e.g. `98.4 MB`.
public func formatBytes(_ bytes: Int) -> String {
    inUnits(Double(bytes), ["bytes", "kB", "MB", "GB", "TB", "PB"]) ?? "\(bytes) bytes"
}

/// A number in short from a million on, e.g. `2.79 million`.
public func formatLargeCount(_ value: Int) -> String {
    value < 1_000_000 ? formatCount(value) : inUnits(Double(value), ["", "", "million", "billion", "trillion"]) ?? formatCount(value)
}

/// nil below a thousand.
private func inUnits(_ value: Double, _ units: [String]) -> String? {
    // What three digits would round up to a thousand is one of the next unit.
    guard value >= 999.5 else { return nil }
    let place = units.indices.first { value < 999.5 * pow(1_000, Double($0)) } ?? units.count - 1
    return "\(formatNumber(value / pow(1_000, Double(place)), digits: 3)) \(units[place])"
}

/// A duration for people: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`.
public func formatDuration(_ seconds: TimeInterval) -> String {
    guard seconds.isFinite, seconds >= 0, seconds < 1e9 else { return "?" }
    if seconds < 9.95 { return String(format: "%.1f s", seconds) }
    let whole = Int(seconds.rounded())
    if whole < 60 { return "\(whole) s" }
    if whole < 3_600 { return "\(whole / 60) min \(whole % 60) s" }
    return "\(whole / 3_600) h \(whole % 3_600 / 60) min"
}

private func groupThousands(_ text: String) -> String {
    let parts = text.split(separator: ".", maxSplits: 1)
    let isNegative = text.hasPrefix("-")
    let digits = Array(isNegative ? parts[0].dropFirst() : parts[0])
    guard digits.count > 4 else { return text }
    var grouped = ""
    for (index, digit) in digits.enumerated() {
        if index > 0, (digits.count - index) % 3 == 0 { grouped.append(",") }
        grouped.append(digit)
    }
    return (isNegative ? "-" : "") + grouped + (parts.count > 1 ? "." + parts[1] : "")
}
