// Files that are something else than their names say: recognised by their first bytes, and named with what to do.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/core/words.hpp>

namespace halfstep::safetensors {

/// How many bytes of a file `foreign_content` wants to see, where it has as many.
inline constexpr std::size_t foreign_content_bytes = 512;

namespace detail {

/// A kind of file that begins with `start`; `words` continue "it is".
struct file_signature {
  std::string_view start;
  std::string_view words;
};

inline constexpr std::string_view saved_page =
    "; download the file itself: its page, or the server's answer, was saved in its place";
inline constexpr std::string_view unpack = "; unpack it first";

/// Source of the longer ones: the formats' own documents; pickle begins with its protocol, as torch.save wrote it before 1.6.
inline constexpr std::array signatures{
    file_signature{"GGUF", "a GGUF file, which this program does not read; get the model as safetensors"},
    file_signature{"lmgg", "an old GGML file, which this program does not read; get the model as safetensors"},
    file_signature{"\x80\x02", "a Python pickle"},
    file_signature{"\x80\x03", "a Python pickle"},
    file_signature{"\x80\x04", "a Python pickle"},
    file_signature{"\x80\x05", "a Python pickle"},
    file_signature{"\x1f\x8b", "compressed by gzip"},
    file_signature{"\x28\xb5\x2f\xfd", "compressed by zstd"},
    file_signature{"7z\xbc\xaf\x27\x1c", "a 7z archive"},
    file_signature{"Rar!", "a RAR archive"},
    file_signature{"\x93NUMPY", "a NumPy array; save its tensors as safetensors, with safetensors.numpy.save_file"},
    file_signature{"\x89HDF\r\n", "an HDF5 file, as Keras writes it; get the model as safetensors"},
    file_signature{"\x89PNG", "a picture (PNG), not a model"},
};

/// Returns whether `text` begins with `start`, which is in lower case, in any case.
inline bool begins_as(std::string_view text, std::string_view start) {
  return text.size() >= start.size() && std::equal(start.begin(), start.end(), text.begin(), [](char wanted, char c) {
           return wanted == (c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
         });
}

inline std::string_view without_blanks(std::string_view text) {
  auto const first = text.find_first_not_of(" \t\r\n");
  return first == std::string_view::npos ? std::string_view() : text.substr(first);
}

/// Returns the number behind "size " in a Git LFS pointer; nothing where it has none.
inline std::string lfs_size(std::string_view text) {
  auto const at = text.find("\nsize ");
  if (at == std::string_view::npos) return {};
  auto const digits = text.substr(at + 6, text.find_first_not_of("0123456789", at + 6) - (at + 6));
  std::uint64_t size = 0;
  for (char const c : digits.substr(0, 18)) size = 10 * size + static_cast<std::uint64_t>(c - '0');
  return digits.empty() ? std::string() : " that stands for a file of " + size_in_words(size);
}

/// Returns the encoding of Unicode text that is not UTF-8, by its byte order mark or by the zeros of an ASCII character.
inline std::string_view other_unicode(std::string_view start) {
  if (start.starts_with(std::string_view("\xff\xfe\0\0", 4)) || start.starts_with(std::string_view("\0\0\xfe\xff", 4)))
    return "UTF-32";
  if (start.starts_with("\xff\xfe") || start.starts_with("\xfe\xff")) return "UTF-16";
  for (char const* const text : {"{\0", "[\0", "\0{", "\0["})
    if (start.starts_with(std::string_view(text, 2))) return "UTF-16";
  return {};
}

/// Returns whether `text` holds nothing but text, up to a character that its end cuts.
inline bool is_plain_text(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    auto const length = halfstep::detail::utf8_length(text, i);
    if (length == 0) return text.size() - i < 4 && i > 0 && static_cast<unsigned char>(text[i]) >= 0xc2;
    if (halfstep::detail::control_at(text, i) && std::string_view("\t\r\n").find(text[i]) == std::string_view::npos) return false;
    i += length;
  }
  return !without_blanks(text).empty();
}

}  // namespace detail

/// Returns what a file is that begins with `start`, as the end of a sentence that begins with "it is", and what to do about it;
/// nothing for what may be a safetensors file or JSON.
///
/// Git LFS pointers, HTML and XML pages, archives, PyTorch's pickles, GGUF, text in UTF-16 and the like.
inline std::optional<std::string> foreign_content(std::string_view start) {
  if (start.starts_with("version https://git-lfs.github.com/spec/"))
    return "a Git LFS pointer, a few lines of text" + detail::lfs_size(start) +
           "; get the file itself: git lfs pull in its repository, or download it from the model's page";
  auto const text = detail::without_blanks(start.starts_with("\xef\xbb\xbf") ? start.substr(3) : start);
  if (detail::begins_as(text, "<!doctype html") || detail::begins_as(text, "<html"))
    return "an HTML page" + std::string(detail::saved_page);
  if (detail::begins_as(text, "<?xml") || detail::begins_as(text, "<error>"))
    return "an XML text" + std::string(detail::saved_page);
  constexpr std::string_view torch =
      "; PyTorch's .ckpt, .pt, .pth and .bin files are such: load it in Python with torch.load(FILE, weights_only=True) and save "
      "its tensors with safetensors.torch.save_file";
  if (start.starts_with("PK\x03\x04")) return "a ZIP archive" + std::string(torch);
  for (auto const& known : detail::signatures) {
    if (!start.starts_with(known.start)) continue;
    if (known.words == "a Python pickle") return std::string(known.words) + std::string(torch);
    bool const is_packed = known.words.starts_with("compressed") || known.words.ends_with("archive");
    return std::string(known.words) + std::string(is_packed ? detail::unpack : std::string_view());
  }
  if (auto const encoding = detail::other_unicode(start); !encoding.empty())
    return "text in " + std::string(encoding) + "; save it as UTF-8";
  return std::nullopt;
}

/// Returns the same of a file that ought to be safetensors and that no reader takes: JSON and other text count too, and eight
/// bytes of zeros, which an unfinished file begins with.
inline std::optional<std::string> no_safetensors(std::string_view start) {
  if (auto found = foreign_content(start)) return found;
  if (start.size() < 8) return std::nullopt;
  if (start.starts_with(std::string_view("\0\0\0\0\0\0\0\0", 8)))
    return "an unfinished file, which begins with zeros; let the program that writes it end, or download it again";
  if (!detail::is_plain_text(start)) return std::nullopt;
  auto const text = detail::without_blanks(start);
  if (text.starts_with('{') || text.starts_with('['))
    return "JSON without a safetensors file around it; the index of a model in shards is read where its name ends in .json";
  auto const line = text.substr(0, std::min<std::size_t>(text.find_first_of("\r\n"), 60));
  return "text, which begins " + quoted(line) + std::string(detail::saved_page);
}

/// Returns the JSON in `content`, all that a file of JSON holds: without the byte order mark that some editors put in front.
///
/// Throws format_error, with the end of a sentence that begins "it is", for what is something else.
inline std::string_view json_content(std::string_view content) {
  auto const start = content.substr(0, foreign_content_bytes);
  if (auto const found = foreign_content(start)) throw format_error(stated("file.foreign", "it is {kind}", {{"kind", *found}}));
  if (start.size() > 8 && start[8] == '{' && start.substr(0, 8).find('\0') != std::string_view::npos)
    throw format_error(stated("file.foreign", "it is a safetensors file, and JSON is wanted; check the path"));
  return content.starts_with("\xef\xbb\xbf") ? content.substr(3) : content;
}

}  // namespace halfstep::safetensors
