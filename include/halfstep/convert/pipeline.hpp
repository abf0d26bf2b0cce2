// The whole job over the pieces of a plan: a file in, a file out.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/convert/job.hpp>
#include <halfstep/convert/kept_rows.hpp>
#include <halfstep/convert/refinement.hpp>
#include <halfstep/convert/resume/finished_tensor.hpp>
#include <halfstep/convert/resume/holds_finished.hpp>
#include <halfstep/convert/resume/resume_journal.hpp>
#include <halfstep/convert/round_piece.hpp>
#include <halfstep/convert/settings.hpp>
#include <halfstep/convert/work_on_layer.hpp>
#include <halfstep/convert/workspace.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/exec/any_host.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/plan/plan.hpp>
#include <halfstep/recipe/format_table.hpp>
#include <halfstep/recipe/marker.hpp>
#include <halfstep/report/layer_quality.hpp>
#include <halfstep/safetensors/reader.hpp>
#include <halfstep/safetensors/writer.hpp>

namespace halfstep {

/// A conversion under way: its jobs, and the pieces they are cut into.
///
/// Layers that are only rounded are cut into pieces of rows, and `run` works on the pieces in the order of the input's bytes, as
/// many at once as the executor runs. Layers whose scales are searched, that a solver works on or whose inputs are known are held
/// in memory as a whole, one after the other, and all threads work on each. Every order gives the same file, since a piece's
/// bytes depend on nothing but the plan and the input.
class conversion {
 public:
  /// Cuts `what` into pieces. Everything given is borrowed for the conversion's life but for `settings` and `better`. Throws
  /// unknown_option for a recipe that `formats` or the stages of `better` lack. What is finished is remembered in `journal`.
  conversion(safetensors::reader const& input, plan const& what, format_table const& formats, safetensors::writer& output,
             convert_settings const& settings, observer const& watcher, refinement const& better = {},
             resume_journal* journal = nullptr)
      : input_(input), output_(output), settings_(settings), watcher_(watcher), better_(better), journal_(journal) {
    std::set<std::string_view> biases;
    for (auto const& tensor : what.tensors)
      if (tensor.what == action::keep && tensor.input.name.ends_with(".bias")) biases.insert(tensor.input.name);
    for (auto const& tensor : what.tensors) {
      if (tensor.what == action::keep) cut_copy(tensor);
      if (tensor.what != action::quantize) continue;
      auto& job = jobs_.emplace_back(tensor, formats.at(tensor.how), output, settings, better.merge, better.overflow);
      if (biases.contains(job.found().layer + ".bias")) job.found().bias = bias_state::kept;
      write_later(job, what);
      if (is_whole(tensor))
        whole_.push_back(&add_unit(tensor, &job));
      else
        cut_job(job);
    }
    order_ranges();
  }

  /// Does all pieces on `ex`. Throws what the first piece that fails throws, and `cancelled` when the observer says so.
  template <host_executor Executor>
  void run(Executor const& ex) {
    for (auto const& [tensor, text] : markers_) output_.write(tensor, 0, std::as_bytes(std::span(text)));
    for (std::size_t first = 0; first < pieces_.size();) {
      std::size_t const last = settings_.order == piece_order::overlapped ? pieces_.size() : end_of_tensor(first);
      ex.for_each(static_cast<index_t>(last - first), [&](index_t i) { work_on(pieces_[first + static_cast<std::size_t>(i)]); });
      first = last;
    }
    any_host const team(ex);
    layer_memory memory;
    for (auto* next : whole_) {
      if (next->is_restored) continue;
      work_on_layer(team, *next->job, memory, {better_, input_, output_, watcher_, pool_});
      finish(*next);
      tell(watcher_.advanced, *next);
    }
  }

  /// Takes over what is finished of the tensors in `before` and lies in the output as it was left; `run` does the rest. Returns
  /// how many tensors that are. Throws io_error (transfer), and `cancelled` when the observer says so.
  template <host_executor Executor>
  std::size_t restore(Executor const& ex, finished_tensors const& before) {
    std::atomic<std::size_t> restored{0};
    ex.for_each(static_cast<index_t>(units_.size()), [&](index_t i) {
      auto& next = units_[static_cast<std::size_t>(i)];
      auto const found = before.find(next.tensor->input.name);
      if (found == before.end()) return;
      require_going(watcher_);
      auto const lease = pool_.take();
      if (!holds_finished(output_, *next.tensor, found->second, watcher_, *lease)) return;
      for (auto const& made : next.tensor->outputs)
        if (made.role != artifact_role::marker) output_.take_over(output_.at(made.spec.name));
      if (next.job != nullptr) restore(*next.job, *found->second.quality);
      next.is_restored = true;
      restored.fetch_add(1, std::memory_order_relaxed);
      tell(watcher_.taken_over, next);
    });
    return restored.load();
  }

  /// Returns the jobs, in the order of the input's bytes.
  std::deque<quantize_job>& jobs() { return jobs_; }

  /// Returns what is merged into the weights, null for nothing.
  lora_merge const* merge() const { return better_.merge; }

  /// Returns the quality of every quantized layer, in the order of the input's bytes.
  std::vector<layer_quality> quality() const {
    std::vector<layer_quality> all;
    for (auto const& job : jobs_) all.push_back(job.quality());
    return all;
  }

 private:
  enum class kind : std::uint8_t { copy, range, convert };

  /// A tensor with all that is stored for it.
  struct unit {
    unit(planned_tensor const& of, quantize_job* its_job) : tensor(&of), job(its_job) {}

    planned_tensor const* tensor;
    quantize_job* job;                   ///< null for copies
    std::atomic<std::uint64_t> left{0};  ///< pieces that are not written
    bool is_restored = false;
  };

  struct piece {
    kind what;
    unit* owner;
    std::optional<safetensors::slot> copy;  ///< where copies go
    std::uint64_t index;                    ///< of the job's piece, or the first byte of a copy
  };

  unit& add_unit(planned_tensor const& tensor, quantize_job* job) { return units_.emplace_back(tensor, job); }

  void cut_copy(planned_tensor const& tensor) {
    auto& owner = add_unit(tensor, nullptr);
    auto const made = output_.at(tensor.outputs.at(0).spec.name);
    std::uint64_t const step = kept_piece_bytes(tensor.input, settings_, better_.merge);
    for (std::uint64_t first = 0; first < tensor.input.bytes(); first += step)
      pieces_.push_back({kind::copy, &owner, made, first});
    owner.left = (tensor.input.bytes() + step - 1) / step;
  }

  /// Whether some basis of a layer follows from all of its weight, or mixes its rows.
  static bool wants_all_rows(planned_tensor const& t) {
    return std::ranges::any_of(t.how.bases,
                               [](basis_choice const& c) { return c.row.mixes_rows || c.row.need != basis_need::shape; });
  }

  /// Whether a layer is held in memory as a whole.
  bool is_whole(planned_tensor const& t) const {
    if (!t.how.format.has_scales()) return false;
    auto const* const solver = better_.stages.solver(t.how.solver, t.how.format.grid);
    bool const is_solved = solver != nullptr && t.how.solver != suitable;
    return is_solved || wants_all_rows(t) || t.how.scales != absmax_scales ||
           (better_.inputs != nullptr && better_.inputs->any()) || (better_.directions != nullptr && solver != nullptr);
  }

  void write_later(quantize_job const& job, plan const& what) {
    for (auto const& made : job.tensor().outputs)
      if (made.role == artifact_role::marker)
        markers_.push_back({output_.at(made.spec.name), marker_text(job.tensor().how, what.markers)});
  }

  void cut_job(quantize_job& job) {
    auto& owner = add_unit(job.tensor(), &job);
    if (job.spans())
      for (index_t i = 0; i < job.pieces(); ++i) pieces_.push_back({kind::range, &owner, {}, static_cast<std::uint64_t>(i)});
    for (index_t i = 0; i < job.pieces(); ++i) pieces_.push_back({kind::convert, &owner, {}, static_cast<std::uint64_t>(i)});
    owner.left = static_cast<std::uint64_t>(job.pieces());
  }

  /// Puts the ranges of a spanning tensor before the conversion of the one before it, so that no thread waits for another.
  void order_ranges() {
    if (settings_.order != piece_order::overlapped) return;
    std::vector<piece> ordered;
    std::vector<piece> held;  // the conversion of the last spanning tensor
    for (auto const& p : pieces_) {
      bool const waits = p.what == kind::convert && p.owner->job->spans();
      if (waits && !held.empty() && held.front().owner != p.owner) {
        ordered.insert(ordered.end(), held.begin(), held.end());
        held.clear();
      }
      (waits ? held : ordered).push_back(p);
    }
    ordered.insert(ordered.end(), held.begin(), held.end());
    pieces_ = std::move(ordered);
  }

  std::size_t end_of_tensor(std::size_t first) const {
    std::size_t last = first;
    while (last < pieces_.size() && pieces_[last].owner == pieces_[first].owner) ++last;
    return last;
  }

  /// Remembers that all of a tensor is written.
  void finish(unit const& done) {
    if (journal_ == nullptr) return;
    journal_->finished(*done.tensor, done.job != nullptr ? std::optional(done.job->quality()) : std::nullopt);
  }

  /// Takes over what is known of a finished layer; its basis is the one that lies in the output.
  void restore(quantize_job& job, layer_quality const& known) const {
    job.restore(known);
    job.restore_basis([&](companion& part) { output_.read_back(output_.at(job.found().layer + part.ending), 0, part.bytes); });
  }

  /// Tells a watcher that all of a tensor is done, and of the bias that goes with it.
  void tell(observer::progress const& watcher, unit const& done) const {
    if (!watcher) return;
    auto const& input = done.tensor->input;
    watcher(input.name, input.end - input.begin);
    if (done.job == nullptr || !done.tensor->added.bias) return;
    if (auto const* bias = input_.head().find(done.job->found().layer + ".bias")) watcher(bias->name, bias->end - bias->begin);
  }

  void work_on(piece const& p) {
    if (p.owner->is_restored) return;
    struct range_ended {
      quantize_job* job;
      ~range_ended() {
        if (job != nullptr) job->end_range();
      }
    } const ended{p.what == kind::range ? p.owner->job : nullptr};
    if (stop_.load(std::memory_order_relaxed)) return;
    try {
      require_going(watcher_);
      do_piece(p);
    } catch (...) {
      stop_.store(true, std::memory_order_relaxed);
      throw;
    }
  }

  void do_piece(piece const& p) {
    auto const lease = pool_.take();
    std::uint64_t done = 0;
    switch (p.what) {
      case kind::copy: {
        auto const bytes = kept_piece(input_, p.owner->tensor->input, p.index, settings_, better_.merge, *lease);
        output_.write(*p.copy, p.index, bytes);
        done = bytes.size();
        break;
      }
      case kind::range:
        range_piece(*p.owner->job, static_cast<index_t>(p.index), input_, *lease);
        break;
      case kind::convert: {
        auto const index = static_cast<index_t>(p.index);
        auto& job = *p.owner->job;
        round_piece(job, index, input_, output_, *lease);
        done = static_cast<std::uint64_t>(job.rows(index) * job.extents().columns * bits_of(job.input().type) / 8);
        break;
      }
    }
    if (p.what != kind::range && p.owner->left.fetch_sub(1, std::memory_order_acq_rel) == 1) finish(*p.owner);
    if (watcher_.advanced) watcher_.advanced(p.owner->tensor->input.name, done);
  }

  safetensors::reader const& input_;
  safetensors::writer& output_;
  convert_settings settings_;
  observer const& watcher_;
  std::deque<quantize_job> jobs_;
  std::vector<piece> pieces_;
  std::vector<std::pair<safetensors::slot, std::string>> markers_;
  workspace_pool pool_;
  refinement better_;
  resume_journal* journal_;
  std::deque<unit> units_;
  std::vector<unit*> whole_;
  std::atomic<bool> stop_{false};
};

}  // namespace halfstep
