// A tensor's part of a conversion: its pieces, and what they learn of it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/convert/only_value.hpp>
#include <halfstep/convert/options.hpp>
#include <halfstep/convert/settings.hpp>
#include <halfstep/core/bits.hpp>
#include <halfstep/core/random.hpp>
#include <halfstep/lora/merge.hpp>
#include <halfstep/plan/plan.hpp>
#include <halfstep/recipe/basis_row.hpp>
#include <halfstep/recipe/format_table.hpp>
#include <halfstep/report/layer_quality.hpp>
#include <halfstep/safetensors/header.hpp>
#include <halfstep/safetensors/slot.hpp>
#include <halfstep/safetensors/writer.hpp>
#include <halfstep/transform/basis.hpp>

namespace halfstep {

/// What one piece of a quantized tensor found out.
struct piece_result {
  float scale_min = std::numeric_limits<float>::infinity();
  float scale_max = 0.0f;
  double seconds = 0.0;
};

/// A tensor that is quantized. Its pieces are whole rows, cut by shape and settings alone; they may be worked on in any order
/// and at once, except that a spanning group wants all ranges before the first code.
class quantize_job {
 public:
  quantize_job(planned_tensor const& tensor, format_row const& how, safetensors::writer const& output,
               convert_settings const& settings, lora_merge const* merge = nullptr,
               overflow_policy overflow = overflow_policy::refuse)
      : tensor_(&tensor),
        merge_(merge),
        overflow_(overflow),
        codec_(&how),
        bases_(tensor.how.bases),
        weight_extents_{static_cast<index_t>(tensor.input.shape.at(0)), static_cast<index_t>(tensor.input.shape.at(1))},
        extents_(stored_extents(tensor.how, weight_extents_)),
        key_(random_key(settings.seed, tensor.input.name)) {
    found_.layer = layer_of(tensor.input.name);
    found_.how = tensor.how;
    found_.shape = weight_extents_;
    for (auto const& made : tensor.outputs) {
      if (made.role == artifact_role::codes) codes_ = output.at(made.spec.name);
      if (made.role == artifact_role::scales) scales_ = output.at(made.spec.name);
    }
    group_rows_ = spans() ? 1 : codec_->format.group_rows(extents_);
    index_t const granule = std::lcm(group_rows_, residual_tile_rows);
    auto const row_bytes = static_cast<index_t>(bits_of(type_of_rows(tensor)) / 8) * extents_.columns;
    index_t const rows = static_cast<index_t>(settings.piece_bytes) / std::max<index_t>(row_bytes, 1) / granule * granule;
    piece_rows_ = std::max(rows, granule);
    results_.resize(static_cast<std::size_t>(pieces()));
    error_.resize(static_cast<std::size_t>((extents_.rows + residual_tile_rows - 1) / residual_tile_rows));
    if (mixes_rows()) digests_.resize(error_.size() + 1);
    for (; ready_ < bases_.size() && bases_[ready_].row.need == basis_need::shape && !bases_[ready_].row.mixes_rows; ++ready_)
      bases_[ready_].row.append({.weight = weight_extents_, .number = bases_[ready_].number}, basis_);
    if (spans()) {
      ranges_ = std::vector<std::atomic<std::int32_t>>(static_cast<std::size_t>(codec_->format.groups(extents_).count()));
      ranges_left_ = pieces();
    }
  }

  planned_tensor const& tensor() const { return *tensor_; }
  safetensors::tensor const& input() const { return tensor_->input; }
  dtype row_type() const { return type_of_rows(*tensor_); }  ///< of the weight's rows as they are read
  safetensors::slot const& codes() const { return *codes_; }
  std::optional<safetensors::slot> const& scales() const { return scales_; }  ///< none where the layout stores none
  format_row const& codec() const { return *codec_; }
  extents2 extents() const { return extents_; }                ///< of the codes
  extents2 weight_extents() const { return weight_extents_; }  ///< of the weight, smaller where QuIP's transform pads it
  std::uint64_t key() const { return key_; }
  overflow_policy beyond_fp16() const { return overflow_; }  ///< of weights that FP16 does not reach

  /// Returns what adapters add to the weight, null where there are none.
  std::shared_ptr<weight_delta const> delta() const { return merge_ != nullptr ? merge_->at(input().name) : nullptr; }

  index_t pieces() const { return (extents_.rows + piece_rows_ - 1) / piece_rows_; }
  index_t first_row(index_t piece) const { return piece * piece_rows_; }
  index_t rows(index_t piece) const { return std::min(piece_rows_, extents_.rows - first_row(piece)); }

  /// Returns how many rows share groups; 1 where one row of groups spans all rows, since pieces then share that one.
  index_t group_rows() const { return group_rows_; }

  /// Returns where in the scales the groups of `row` begin, in bytes. Precondition: it is the first row of its groups.
  std::uint64_t group_offset(index_t row) const {
    if (row == 0 || spans() || !scales_) return 0;
    return static_cast<std::uint64_t>(codec_->format.groups({row, extents_.columns}).count()) * codec_->format.scale_bytes;
  }

  /// Returns whether every piece must be ranged before one is coded.
  bool spans() const { return codec_->format.spans_rows(extents_); }

  /// Raises the spanning groups' ranges to those of a piece.
  void raise(value_range const* ranges) {
    for (std::size_t g = 0; g < ranges_.size(); ++g) {
      std::int32_t const pattern = bits(ranges[g].amax) & 0x7fffffff;
      std::int32_t seen = ranges_[g].load(std::memory_order_relaxed);
      while (seen < pattern && !ranges_[g].compare_exchange_weak(seen, pattern, std::memory_order_relaxed)) {
      }
    }
  }

  /// Says that one more piece is ranged, or given up.
  void end_range() {
    if (ranges_left_.fetch_sub(1, std::memory_order_acq_rel) == 1) ranges_left_.notify_all();
  }

  /// Waits until all pieces are ranged.
  void wait_for_ranges() const {
    for (index_t left = ranges_left_.load(std::memory_order_acquire); left != 0;
         left = ranges_left_.load(std::memory_order_acquire))
      ranges_left_.wait(left, std::memory_order_acquire);
  }

  /// Returns the spanning groups' ranges as far as they are raised.
  std::vector<value_range> ranges() const {
    std::vector<value_range> all;
    for (auto const& pattern : ranges_)
      all.push_back({float_of(static_cast<std::uint32_t>(pattern.load(std::memory_order_relaxed)))});
    return all;
  }

  /// Returns the basis that rows of the weight go through as they are read: that of the codes, once `extend` told the rest of it.
  halfstep::basis const& basis() const { return basis_; }

  /// Returns whether no row of codes stands for a row of the weight alone.
  bool mixes_rows() const {
    return std::ranges::any_of(bases_, [](basis_choice const& choice) { return choice.row.mixes_rows; });
  }

  /// Returns the bases that the weight goes through as a whole, behind those of its rows.
  std::span<basis_choice const> bases_to_make() const { return std::span(bases_).subspan(ready_); }

  /// Adds what was made of one of `bases_to_make`.
  void extend(halfstep::basis const& further) { basis_.then(further); }

  /// Returns why a finite weight is not finite in the basis of its rows, as the end of a sentence.
  std::string_view overflow() const { return ready_ == 0 ? "its weights exceed FP32" : bases_[ready_ - 1].row.overflow; }

  /// Returns the tensors that are stored of the layer's basis.
  std::vector<companion> basis_companions() const {
    std::vector<companion> all;
    for (auto const& choice : bases_)
      for (auto& part : choice.row.record(basis_).companions) all.push_back(std::move(part));
    return all;
  }

  /// Makes the basis again of what is stored of it: `read(part)` fills in the bytes of a tensor.
  template <class Read>
  void restore_basis(Read const& read) {
    for (auto const& choice : bases_to_make()) {
      basis_request const of{.weight = weight_extents_, .number = choice.number};
      auto parts = choice.row.blank_record(of).companions;
      for (auto& part : parts) read(part);
      choice.row.restore(of, parts, basis_);
    }
  }

  /// Returns a digest of the stored rows of codes of each `residual_tile_rows` rows, and one of the scales, for layers
  /// whose rows are transformed together, so that no few of them can be measured again.
  std::vector<std::uint64_t>& digests() { return digests_; }

  /// Returns what is found out about the layer beside its errors and scales.
  layer_quality& found() { return found_; }
  layer_quality const& found() const { return found_; }

  /// Takes over what an interrupted run found out about the layer, whose output it finished.
  void restore(layer_quality const& known) {
    layer_quality taken = known;
    taken.layer = found_.layer;
    taken.how = found_.how;
    taken.shape = found_.shape;
    taken.seconds = 0.0;
    error_.front() = std::exchange(taken.error, {});
    results_.front() = {known.scale_min, known.scale_max, known.seconds};
    found_ = std::move(taken);
    is_restored_ = true;
  }
  bool is_restored() const { return is_restored_; }

  /// Takes in rows of the weight as they were read; those that adapters change are not looked at.
  void see(void const* rows, index_t count) {
    if (merge_ == nullptr || merge_->at(input().name) == nullptr) only_.see(row_type(), rows, count);
  }

  piece_result& result(index_t piece) { return results_[static_cast<std::size_t>(piece)]; }

  /// Returns the error of each `residual_tile_rows` rows, in their order.
  std::vector<residual_statistics>& error() { return error_; }

  /// Returns the errors of the rows from `row` on.
  std::span<residual_statistics> error_of(index_t row) {
    return std::span(error_).subspan(static_cast<std::size_t>(row / residual_tile_rows));
  }

  /// Returns what all pieces found, summed in their order.
  layer_quality quality() const {
    layer_quality q = found_;
    q.is_requantized = tensor_->coded.has_value();
    if (auto const value = only_.get()) q.only_value = value;
    for (auto const& part : error_) q.error += part;
    q.scale_min = std::numeric_limits<float>::infinity();
    for (auto const& part : results_) {
      q.scale_min = std::min(q.scale_min, part.scale_min);
      q.scale_max = std::max(q.scale_max, part.scale_max);
      q.seconds += part.seconds;
    }
    if (!scales_) q.scale_min = 0.0f;
    return q;
  }

 private:
  planned_tensor const* tensor_;
  lora_merge const* merge_;
  overflow_policy overflow_;
  format_row const* codec_;
  std::optional<safetensors::slot> codes_;
  std::optional<safetensors::slot> scales_;
  std::vector<basis_choice> bases_;
  std::size_t ready_ = 0;  ///< how many of them rows go through as they are read
  halfstep::basis basis_;
  extents2 weight_extents_;
  extents2 extents_;
  std::uint64_t key_;
  index_t group_rows_ = 1;
  index_t piece_rows_ = 1;
  std::vector<piece_result> results_;
  std::vector<residual_statistics> error_;
  std::vector<std::atomic<std::int32_t>> ranges_;
  std::atomic<index_t> ranges_left_{0};
  std::vector<std::uint64_t> digests_;
  layer_quality found_;
  only_value only_;
  bool is_restored_ = false;
};

}  // namespace halfstep
