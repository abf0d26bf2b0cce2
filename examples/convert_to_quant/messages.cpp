// Messages, results and the log.
#include "messages.hpp"

#include <cerrno>
#include <cstring>

#include <boost/json.hpp>

#include <halfstep/core/error.hpp>

#include "sentences.hpp"

namespace convert_to_quant {

messages::messages(options const& o) : level_(o.level), is_json_(o.progress == progress_style::json) {
  if (o.log_file.empty()) return;
  log_.reset(std::fopen(o.log_file.c_str(), "ae"));
  if (log_ == nullptr)
    throw halfstep::io_error(halfstep::io_stage::create_output, "cannot write the log '" + o.log_file + "': " +
                                                                    std::strerror(errno) + "; choose another file for --log");
}

std::string messages::shown(std::string_view text) const {
  return is_json_ ? boost::json::serialize(boost::json::object{{"event", "message"}, {"text", text}}) : std::string(text);
}

void messages::write_log(std::string_view text) {
  if (log_ == nullptr) return;
  std::fwrite(text.data(), 1, text.size(), log_.get());
  if (std::fflush(log_.get()) == 0) return;  // each time: what an interrupted run said is what its log is for
  std::string const warning = std::string("warning: the log ends here, the run goes on: ") + std::strerror(errno);
  log_.reset();
  std::fputs((shown(warning) + "\n").c_str(), stderr);
}

void messages::say(std::string_view text, verbosity least) {
  if (level_ < least) return;
  std::string const said = in_flags(text);
  std::scoped_lock const lock(guard_);
  std::fputs((shown(said) + "\n").c_str(), stderr);
  write_log(said + "\n");
}

void messages::print(std::string_view text) {
  std::scoped_lock const lock(guard_);
  std::fwrite(text.data(), 1, text.size(), stdout);
  write_log(text);
}

void messages::show(std::string_view line) {
  std::scoped_lock const lock(guard_);
  std::fputs((std::string(line) + "\n").c_str(), stderr);
}

void messages::log(std::string_view line) {
  std::scoped_lock const lock(guard_);
  write_log(std::string(line) + "\n");
}

}  // namespace convert_to_quant
