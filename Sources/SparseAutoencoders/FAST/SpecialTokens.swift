internal import Datasets
internal import Foundation
public import Networks

/// The tokens with which a chat template marks turns: its control tokens and the words for roles, which may also be words of a message.
public struct SpecialTokens: Sendable, Equatable {
    public let ids: Set<Int32>

    public init(ids: Set<Int32>) { self.ids = ids }

    /// Those that a tokenizer's own template writes around the messages of a user and an assistant; nil without a template or if it
    /// rejects a question with an answer.
    public init?(of tokenizer: Tokenizer) {
        let turns: [Document.Turn] = [.init(role: .user, content: "question"), .init(role: .assistant, content: "answer")]
        guard let template = tokenizer.chatTemplate, let dialogue = try? tokenizer.encode(dialogue: turns, template) else { return nil }
        let written = Set(zip(dialogue.tokens, dialogue.roles).lazy.filter { $1 == .template }.map { $0.0 })
        let control = Set(tokenizer.controlTokenIDs.map { Int32(clamping: $0) })
        // Roles that are several tokens have no token of their own.
        let words = Set(
            ["user", "assistant", "model"].compactMap { word -> Int32? in
                let ids = tokenizer.encode(word, addSpecialTokens: false)
                return ids.count == 1 ? Int32(clamping: ids[0]) : nil
            })
        self.init(ids: written.intersection(control.union(words)))
    }
}

/// A part of the tokens of dialogues, on which errors are measured.
public enum TokenGroup: String, Codable, Sendable, CaseIterable {
    /// Every token.
    case all
    /// ``SpecialTokens`` by their ids, wherever they stand.
    case special
    /// As `all` and `special`, without first positions and attention sinks: their norms are far above those of other tokens, and one
    /// token type would make up nearly all of the error.
    case ordinary, ordinarySpecial
    /// `ordinarySpecial` behind the first word of a message by user or assistant. Before it all dialogues without a system prompt of
    /// their own begin alike, so that their activations are the same constants.
    case laterSpecial
    /// By what the token is, without first positions and attention sinks.
    case template, system, user, assistant

    /// For tables.
    public var title: String {
        switch self {
        case .all: "all tokens with sinks"
        case .special: "special tokens with sinks"
        case .ordinary: "tokens"
        case .ordinarySpecial: "special tokens"
        case .laterSpecial: "special tokens behind messages"
        case .template: "tokens of the template"
        case .system: "system's messages"
        case .user: "users' messages"
        case .assistant: "assistants' messages"
        }
    }
}

/// Squared errors of reconstructions on dialogues, for groups of tokens.
public struct DialogueMetrics: Codable, Sendable, Equatable {
    /// The error on one group of tokens, per dimension: squares are divided by the width D.
    public struct GroupError: Codable, Sendable, Equatable {
        public var group: TokenGroup
        public var tokenCount: Int
        /// Dialogues with tokens of the group.
        public var dialogueCount: Int
        /// Mean over tokens within each dialogue, then over dialogues (Li et al. 2025, section 4.2); not a number without tokens.
        public var perDialogue: Double
        /// Mean over all tokens.
        public var perToken: Double

        /// As the paper prints it.
        public var log2PerDialogue: Double { log2(perDialogue) }
    }

    /// One for each group, in the order of ``TokenGroup``.
    public var errors: [GroupError]
    /// Mean number of active features of the ordinary tokens.
    public var l0: Double

    public subscript(group: TokenGroup) -> GroupError {
        errors.first { $0.group == group }
            ?? GroupError(group: group, tokenCount: 0, dialogueCount: 0, perDialogue: .nan, perToken: .nan)
    }
}
