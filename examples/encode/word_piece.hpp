// BERT's word pieces: a sentence in ASCII as numbers of a vocabulary.
#pragma once

#include <cctype>
#include <fstream>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <halfstep/core/error.hpp>

/// Cuts words into the longest pieces that a vocabulary has, upper case ignored.
class word_piece {
 public:
  /// Reads a `vocab.txt`: a piece a line, numbered from 0; those inside a word begin with "##".
  explicit word_piece(std::string const& path) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) numbers_.emplace(line, static_cast<int>(numbers_.size()));
    if (!numbers_.contains("[UNK]"))
      throw halfstep::format_error("cannot read '" + path + "': it is no vocabulary of word pieces");
  }

  /// Returns the pieces of `text` between [CLS] and [SEP], at most `most` with these.
  std::vector<int> operator()(std::string_view text, std::size_t most) const {
    std::vector<int> found{numbers_.at("[CLS]")};
    std::string word;
    auto const end_word = [&] { append(found, word), word.clear(); };
    for (char const c : text) {
      auto const byte = static_cast<unsigned char>(c);
      if (std::isspace(byte) || std::ispunct(byte)) end_word();
      if (std::ispunct(byte)) append(found, std::string(1, c));
      if (!std::isspace(byte) && !std::ispunct(byte)) word += static_cast<char>(std::tolower(byte));
    }
    end_word();
    if (found.size() > most - 1) found.resize(most - 1);
    found.push_back(numbers_.at("[SEP]"));
    return found;
  }

 private:
  void append(std::vector<int>& found, std::string const& word) const {
    std::vector<int> pieces;
    for (std::size_t start = 0, end = word.size(); start < word.size(); start = end, end = word.size()) {
      auto piece = numbers_.end();
      for (; end > start; --end)
        if (piece = numbers_.find((start > 0 ? "##" : "") + word.substr(start, end - start)); piece != numbers_.end()) break;
      if (piece == numbers_.end()) return found.push_back(numbers_.at("[UNK]"));
      pieces.push_back(piece->second);
    }
    found.insert(found.end(), pieces.begin(), pieces.end());
  }

  std::unordered_map<std::string, int> numbers_;
};
