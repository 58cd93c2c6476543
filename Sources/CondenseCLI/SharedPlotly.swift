import Datasets
import Foundation

/// The chart library that reports carry with them.
enum PlotlyScript {
    /// The text of plotly.js, nil if it has not been fetched; reports then show tables instead of charts.
    static func text() -> String? {
        guard let script = try? DataStore().location(of: "plotly-js") else { return nil }
        return try? String(contentsOf: script.mainFile, encoding: .utf8)
    }
}
