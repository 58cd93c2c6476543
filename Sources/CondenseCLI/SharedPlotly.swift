import Datasets
import Foundation

/// The chart library that reports carry with them.
enum PlotlyScript {
    /// The text of plotly.js, nil if it has not been fetched; reports then show tables instead of charts.
    static func text() -> String? {
        let item = try? DataStore().location(of: "plotly-js")
        return item.flatMap { try? String(contentsOf: $0.mainFile, encoding: .utf8) }
    }
}
