public import Foundation
internal import Torch

/// Versions of one picture, laid over each other with a slider between any two of them.
public struct PictureComparison: Codable, Sendable, Equatable {
    /// One of the pictures.
    public struct Version: Codable, Sendable, Equatable {
        /// Name in the lists to choose from.
        public var name: String
        /// Figures below the picture, e.g. "0.31 bits per pixel, 31.2 dB".
        public var note: String
        public var data: Data
        public var format: ReportImage.Format

        public init(name: String, note: String, data: Data, format: ReportImage.Format) {
            self.name = name
            self.note = note
            self.data = data
            self.format = format
        }
    }

    public var title: String
    /// Of every version, in pixels.
    public var width: Int, height: Int
    /// The first two are shown until others are chosen.
    public var versions: [Version]
    public var caption: String?

    /// - Parameter versions: at least two, all of one size.
    public init(title: String, width: Int, height: Int, versions: [Version], caption: String? = nil) {
        require(versions.count > 1, "PictureComparison '\(title)' needs two versions, found \(versions.count)")
        self.title = title
        (self.width, self.height) = (width, height)
        self.versions = versions
        self.caption = caption
    }

    /// The element; readable without its script, which makes it move.
    var html: String {
        func list(_ side: String, chosen: Int) -> String {
            let options = versions.enumerated().map { index, version in
                "<option value=\"\(index)\"\(index == chosen ? " selected" : "")>\(version.name.escapedForHTML)</option>"
            }
            return "<label>\(side) <select>\(options.joined())</select></label>"
        }
        let pictures = versions.enumerated().map { index, version in
            let place = index == 0 ? " class=\"left\"" : index == 1 ? " class=\"right\"" : ""
            let source = "data:\(version.format.rawValue);base64,\(version.data.base64EncodedString())"
            return "<img\(place) alt=\"\("\(title), \(version.name): \(version.note)".escapedForHTML)\" data-note=\"\(version.note.escapedForHTML)\" src=\"\(source)\">"
        }
        return """
            <figure class="compare"><h3>\(title.escapedForHTML)</h3>
            <div class="sides">\(list("Left", chosen: 0))\(list("Right", chosen: 1))</div>
            <div class="stage" style="aspect-ratio:\(width)/\(height);max-width:\(max(width, 320))px">\(pictures.joined(separator: "\n"))<i></i></div>
            <input type="range" min="0" max="100" value="50" aria-label="\("Boundary between left and right, \(title)".escapedForHTML)" \
            style="max-width:\(max(width, 320))px">
            <div class="notes" aria-live="polite" style="max-width:\(max(width, 320))px"><span>\(versions[0].note.escapedForHTML)</span><span>\(versions[1].note.escapedForHTML)</span></div>
            \(caption.map { "<figcaption>\($0.escapedForHTML)</figcaption>" } ?? "")</figure>

            """
    }

    static let style = """
        .compare .sides,.compare .notes{display:flex;justify-content:space-between;flex-wrap:wrap;gap:.4rem 1rem;font-size:.92rem;color:var(--soft)}
        .compare .sides{justify-content:flex-start;margin:.4rem 0 .6rem}
        .compare select{font:inherit;color:var(--ink);background:var(--panel);border:1px solid var(--line);border-radius:6px;padding:.15rem .4rem;max-width:100%}
        .compare .stage{position:relative;--at:50%;overflow:hidden;border-radius:6px;background:var(--panel);cursor:ew-resize;touch-action:pan-y;user-select:none}
        .compare .stage img{position:absolute;inset:0;width:100%;height:100%;border-radius:0;visibility:hidden}
        .compare .stage img.left{visibility:visible;clip-path:inset(0 calc(100% - var(--at)) 0 0)}
        .compare .stage img.right{visibility:visible;clip-path:inset(0 0 0 var(--at))}
        .compare .stage img.left.right{clip-path:none}
        .compare .stage i{position:absolute;top:0;bottom:0;left:var(--at);width:2px;margin-left:-1px;background:#fff;box-shadow:0 0 0 1px #0006;pointer-events:none}
        .compare input{display:block;width:100%;margin:.5rem 0 .2rem;accent-color:var(--accent)}
        .compare .notes{font-variant-numeric:tabular-nums}
        .compare .notes span:last-child{text-align:right}
        """

    /// Arrow keys move the slider as those of every range do; dragging over the picture moves it too.
    static let script = """
        for (const figure of document.querySelectorAll(".compare")) {
          const stage = figure.querySelector(".stage"), range = figure.querySelector("input");
          const images = [...stage.querySelectorAll("img")], lists = [...figure.querySelectorAll("select")];
          const notes = [...figure.querySelectorAll(".notes span")];
          const move = () => {
            stage.style.setProperty("--at", range.value + "%");
            range.setAttribute("aria-valuetext", range.value + " % left");
          };
          const choose = () => ["left", "right"].forEach((side, i) => {
            const chosen = Number(lists[i].value);
            images.forEach((image, k) => image.classList.toggle(side, k === chosen));
            notes[i].textContent = images[chosen].dataset.note;
          });
          const drag = event => {
            if (!(event.buttons & 1)) return;
            const box = stage.getBoundingClientRect();
            range.value = 100 * (event.clientX - box.left) / box.width;
            move();
          };
          for (const image of images) image.draggable = false;
          range.addEventListener("input", move);
          stage.addEventListener("pointerdown", event => { stage.setPointerCapture(event.pointerId); drag(event); });
          stage.addEventListener("pointermove", drag);
          for (const list of lists) list.addEventListener("change", choose);
          choose();
          move();
        }
        """
}
