// Memory that pieces work in, taken and given back rather than allocated anew.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/extents.hpp>

namespace halfstep {

/// The buffers of one thread; they grow to the largest piece and stay.
class workspace {
 public:
  /// Returns `count` bytes for what is read, aligned to 64; the contents of the last call are gone.
  std::span<std::byte> input(index_t count) { return grown(input_, count); }

  /// Returns `count` bytes for what is read before it is decoded.
  std::span<std::byte> stored(index_t count) { return grown(stored_, count); }

  /// Returns `count` bytes for codes.
  std::span<std::byte> codes(index_t count) { return grown(codes_, count); }

  /// Returns `count` bytes for groups.
  std::span<std::byte> groups(index_t count) { return grown(groups_, count); }

  /// Returns `count` floats for rows that are widened or rotated.
  std::span<float> rows(index_t count) { return grown(rows_, count); }

  /// Returns `count` floats for what codes stand for.
  std::span<float> decoded(index_t count) { return grown(decoded_, count); }

 private:
  template <class T>
  static std::span<T> grown(host_buffer<T>& buffer, index_t count) {
    if (buffer.size() < count) buffer = host_buffer<T>(), buffer = host_buffer<T>(count);
    return {buffer.data(), static_cast<std::size_t>(count)};
  }

  host_buffer<std::byte> input_;
  host_buffer<std::byte> stored_;
  host_buffer<std::byte> codes_;
  host_buffer<std::byte> groups_;
  host_buffer<float> rows_;
  host_buffer<float> decoded_;
};

/// Workspaces for as many threads as ask at once.
class workspace_pool {
 public:
  /// A workspace that goes back to its pool.
  class lease {
   public:
    lease(workspace_pool& pool, std::unique_ptr<workspace> held) : pool_(&pool), held_(std::move(held)) {}
    lease(lease const&) = delete;
    lease& operator=(lease const&) = delete;
    ~lease() { pool_->put(std::move(held_)); }
    workspace& operator*() const { return *held_; }

   private:
    workspace_pool* pool_;
    std::unique_ptr<workspace> held_;
  };

  /// Returns a workspace nobody else uses.
  lease take() {
    std::scoped_lock const lock(guard_);
    if (free_.empty()) return {*this, std::make_unique<workspace>()};
    auto held = std::move(free_.back());
    free_.pop_back();
    return {*this, std::move(held)};
  }

 private:
  void put(std::unique_ptr<workspace> held) {
    std::scoped_lock const lock(guard_);
    free_.push_back(std::move(held));
  }

  std::mutex guard_;
  std::vector<std::unique_ptr<workspace>> free_;
};

}  // namespace halfstep
