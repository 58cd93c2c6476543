import Condense
import Experiments
import Foundation
import Testing

/// What every entry of `Methods.all` must satisfy.
@Suite struct MethodTests {
    @Test func namesAreUniqueAndPlain() {
        let names = Methods.all.map { $0.name }
        #expect(Set(names).count == names.count)
        for name in names {
            #expect(name.wholeMatch(of: /[a-z0-9]+(-[a-z0-9]+)*/) != nil, "\(name)")
        }
    }

    @Test func textsAreThere() {
        for method in Methods.all {
            #expect(!method.title.isEmpty && !method.paper.title.isEmpty && !method.paper.authors.isEmpty, "\(method.name)")
            #expect(method.summary.hasSuffix("."), "\(method.name): the summary is a sentence")
        }
    }

    @Test func defaultsAreValidAndReadBackEqual() throws {
        func check<M: Method>(_ method: M.Type) throws {
            let written = ResolvedConfiguration(configuration: M.defaultConfiguration, settings: RunSettings())
            try written.configuration.validate()
            let file = FileManager.default.temporaryDirectory.appending(path: "condense-\(UUID().uuidString).yaml")
            defer { try? FileManager.default.removeItem(at: file) }
            try Data(written.yaml().utf8).write(to: file)
            #expect(try ConfigurationSource(file: file).resolve() == written, "\(M.name)")
        }
        for method in Methods.all { try check(method) }
    }

    @Test func unknownNamesAreErrors() {
        #expect(throws: UnknownMethod.self) { try Methods.named("no-such-method") }
    }
}
