// usage: encode MODEL VOCABULARY < SENTENCES
// Sentence embeddings of all-MiniLM-L6-v2 by INT8 products on the host. Reads a sentence a line, and prints a vector a line.
#include <atomic>
#include <cstdio>
#include <iostream>
#include <string>

#include <halfstep/core/error.hpp>
#include <halfstep/safetensors/open_model.hpp>

#include "encoder.hpp"
#include "program/run.hpp"
#include "word_piece.hpp"

int main(int count, char** arguments) {
  return program::run("encode", [&](std::atomic<bool> const& stop) {
    if (count != 3) throw halfstep::usage_error("two files are wanted: encode MODEL VOCABULARY < SENTENCES");
    encoder const encode(halfstep::safetensors::open_model(arguments[1]).file);
    word_piece const pieces(arguments[2]);
    for (std::string sentence; std::getline(std::cin, sentence);) {
      if (stop) throw halfstep::cancelled("stopped");
      for (float const x : encode(pieces(sentence, encode.most_tokens()))) std::printf("%.9g ", static_cast<double>(x));
      std::printf("\n");
    }
  });
}
