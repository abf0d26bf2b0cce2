#include <parse.hpp>

#include <exception>
#include <fstream>
#include <new>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/core/error.hpp>
#include <halfstep/recipe/contract.hpp>
#include <halfstep/report/quality_limit.hpp>

#include <help.hpp>
#include <option_table.hpp>
#include <program/exit_code.hpp>

namespace {

using convert_to_quant::options;
using testing::HasSubstr;

options parsed(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"-i", "m.safetensors"});
  return std::get<options>(convert_to_quant::parse(std::move(arguments)));
}

std::string refusal(std::vector<std::string> arguments) {
  try {
    parsed(std::move(arguments));
  } catch (halfstep::usage_error const& e) {
    return e.what();
  }
  return "accepted";
}

TEST(CommandLine, TakesDashesAndUnderscoresForTheSameFlag) {
  EXPECT_TRUE(parsed({"--comfy_quant"}).comfy_quant);
  EXPECT_TRUE(parsed({"--comfy-quant"}).comfy_quant);
  EXPECT_EQ(parsed({"--scaling-mode", "axis"}).scaling_mode, "axis");
  EXPECT_EQ(parsed({"--scaling_mode=row"}).scaling_mode, "axis");
  EXPECT_EQ(parsed({"--group_size", "64"}).block_size, 64);
}

TEST(CommandLine, MeansTheComfyuiRecipeWithoutAFormatFlag) {
  auto const o = parsed({});
  EXPECT_EQ(o.recipe, "comfyui");
  EXPECT_TRUE(o.comfy_quant);
  EXPECT_EQ(o.scaling_mode, "axis");
  EXPECT_TRUE(o.convrot);
  EXPECT_FALSE(parsed({"--int8"}).recipe.has_value());
  EXPECT_FALSE(parsed({"--comfy_quant"}).convrot);
}

TEST(CommandLine, TakesLorasWithTheirStrengths) {
  auto const o =
      parsed({"--merge-loras", "a.safetensors:-0.5", "c:/b.safetensors", "--merge_lora", "d.safetensors:1e-1", "--int8"});
  ASSERT_EQ(o.loras.size(), 3u);
  EXPECT_EQ(o.loras[0].path, "d.safetensors");
  EXPECT_EQ(o.loras[0].strength, 0.1);
  EXPECT_EQ(o.loras[1].path, "a.safetensors");
  EXPECT_EQ(o.loras[1].strength, -0.5);
  EXPECT_EQ(o.loras[2].path, "c:/b.safetensors");
  EXPECT_EQ(o.loras[2].strength, 1.0);
  EXPECT_EQ(parsed({"--merge-lora", "a:nan"}).loras[0].path, "a:nan");
}

TEST(CommandLine, DampensLorasUnlessToldOtherwise) {
  std::vector<std::string> const lora{"--merge-lora", "a"};
  auto const dampened = [&](std::vector<std::string> flags) {
    flags.insert(flags.begin(), lora.begin(), lora.end());
    return parsed(flags).merge_lora_dampen;
  };
  EXPECT_TRUE(dampened({}));
  EXPECT_TRUE(dampened({"--merge-lora-dampen"}));
  EXPECT_TRUE(dampened({"--merge-lora-dampen=true"}));
  EXPECT_TRUE(dampened({"--merge-lora-dampen", "--int8"}));
  EXPECT_FALSE(dampened({"--merge-lora-dampen=False"}));
  EXPECT_FALSE(dampened({"--merge-lora-dampen", "False"}));
  EXPECT_FALSE(dampened({"--no-merge-lora-dampen"}));
  EXPECT_THAT(refusal({"--merge-lora", "a", "--merge-lora-dampen=maybe"}), HasSubstr("'maybe'"));
  EXPECT_THAT(refusal({"--merge-lora", "a", "--merge-lora-dampen", "--no-merge-lora-dampen"}), HasSubstr("contradicts"));
}

TEST(CommandLine, SaysWhatHasNoLoraToWorkOnAndRefusesOneWithoutAName) {
  EXPECT_THAT(parsed({"--merge-lora-scale", "2"}).notes,
              testing::ElementsAre(HasSubstr("--merge-lora-scale changes nothing here: no LoRA is merged")));
  EXPECT_THAT(parsed({"--merge-lora", "a", "--merge-lora-scale", "2"}).notes, testing::IsEmpty());
  EXPECT_THAT(refusal({"--merge-lora", ":0.5"}), HasSubstr("empty name"));
  EXPECT_THAT(refusal({"--merge-lora", "a", "--merge-lora-scale", "inf"}), HasSubstr("a finite number"));
}

TEST(CommandLine, LetsFlagsOverrideTheRecipe) {
  auto const o = parsed({"--recipe", "comfyui", "--scaling_mode", "tensor"});
  EXPECT_EQ(o.scaling_mode, "tensor");
  EXPECT_FALSE(o.convrot);
  EXPECT_EQ(parsed({"--recipe", "fork"}).comfy_target, "fork");
  EXPECT_FALSE(parsed({"--recipe", "engine"}).comfy_quant);
}

TEST(CommandLine, TakesARecipeForSomeLayers) {
  auto const o =
      parsed({"--custom-layers", "attn", "--custom_scaling_mode=row", "--custom-block-size", "64", "--fallback", "fp16"});
  EXPECT_EQ(o.custom_layers, "attn");
  EXPECT_EQ(o.custom_scaling_mode, "axis");
  EXPECT_EQ(o.fallback, "fp16");
  EXPECT_THAT(o.notes, testing::ElementsAre("--custom-block-size changes nothing here: axis scaling has no blocks"));
  EXPECT_THAT(refusal({"--custom-layers", "attn"}), HasSubstr("no recipe"));
  EXPECT_THAT(refusal({"--custom-heur"}), HasSubstr("'--custom-heur' contradicts a run without '--custom-layers'"));
  EXPECT_THAT(refusal({"--fallback-block-size", "64"}), HasSubstr("'--fallback-block-size' contradicts"));
  EXPECT_THAT(refusal({"--custom-layers", "a", "--custom-block-size", "48"}), HasSubstr("'--custom-block-size' got 48"));
}

TEST(CommandLine, SaysThatCalibrationChangesNothingOnlyWhereAllIsFp16) {
  std::vector<std::string> const fp16{"--fp16", "--calibration-data", "c.json"};
  auto const notes = [&](std::vector<std::string> more) {
    more.insert(more.begin(), fp16.begin(), fp16.end());
    return parsed(more).notes;
  };
  EXPECT_THAT(notes({}), testing::Contains(HasSubstr("--calibration-data changes nothing")));
  EXPECT_THAT(notes({"--custom-layers", "a", "--custom-type", "int8"}), testing::IsEmpty());
  EXPECT_THAT(notes({"--fallback", "int8"}), testing::IsEmpty());
}

TEST(CommandLine, RefusesByNameWhatItsJobDoesNotRead) {
  using words = std::vector<std::string>;
  words const copies{"--convert-legacy"};
  words const edits{"--edit-quant", "--remove-keys", "per_row"};
  auto const with = [](words flags, words const& more) {
    flags.insert(flags.end(), more.begin(), more.end());
    return flags;
  };
  for (auto const& shared : {words{"-o", "out"}, words{"--force"}, words{"--dry-run"}, words{"--quiet"}, words{"--log=a.log"}}) {
    EXPECT_EQ(refusal(with(shared, {})), "accepted");
    EXPECT_EQ(refusal(with(copies, shared)), "accepted");
    EXPECT_EQ(refusal(with(edits, shared)), "accepted");
  }
  EXPECT_THAT(refusal(with(copies, {"--scaling-mode=axis"})), HasSubstr("'--scaling_mode' contradicts '--convert-legacy'"));
  EXPECT_THAT(refusal(with(edits, {"--group-size", "64"})), HasSubstr("'--group_size' contradicts '--edit-quant'"));
  EXPECT_THAT(refusal(with(edits, copies)), HasSubstr("'--convert-legacy' contradicts '--edit-quant'"));
  EXPECT_THAT(refusal(with(edits, {"--comfy_target", "fork"})), HasSubstr("'--comfy_target' contradicts"));
  EXPECT_EQ(refusal(with(copies, {"--comfy_target", "fork"})), "accepted");
  for (auto const& kept : {words{"--threads", "2"}, words{"--strict"}, words{"--save-quant-metadata"}}) {
    EXPECT_EQ(refusal(with(edits, kept)), "accepted");
    EXPECT_THAT(refusal(with(copies, kept)), HasSubstr("'" + kept.front() + "' contradicts '--convert-legacy'"));
  }
  for (std::string const flag : {"--remove-keys", "--add-keys", "--quant-filter"})
    for (auto const& job : {words{}, copies})
      EXPECT_THAT(refusal(with(job, {flag, "x"})), HasSubstr("'" + flag + "' contradicts a run without '--edit-quant'"));
}

TEST(CommandLine, SuggestsTheNearestFlag) {
  EXPECT_THAT(refusal({"--scaling-mod", "axis"}), HasSubstr("'--scaling_mode'"));
  EXPECT_THAT(refusal({"--comfyquant"}), HasSubstr("'--comfy_quant'"));
  EXPECT_THAT(refusal({"--fp-16"}), HasSubstr("'--fp16'"));
}

TEST(CommandLine, RefusesByNameEveryFlagThatIsNotBuilt) {
  int known = 0;
  for (auto const& row : convert_to_quant::option_table()) {
    if (row.bind != nullptr) continue;
    std::string const first(row.names.substr(0, row.names.find(',')));
    EXPECT_THAT(refusal({first}), HasSubstr("'" + first + "' is not built in this version")) << first;
    ++known;
  }
  EXPECT_GT(known, 0);
  EXPECT_THAT(refusal({"--device", "cuda:1"}), HasSubstr("not built"));
}

TEST(CommandLine, NamesTheFlagWhatItGotAndWhatItTakes) {
  std::string const said = refusal({"--scaling_mode", "diagonal"});
  EXPECT_THAT(said, HasSubstr("--scaling_mode"));
  EXPECT_THAT(said, HasSubstr("'diagonal'"));
  EXPECT_THAT(said, HasSubstr("{block, axis, tensor}"));
  EXPECT_THAT(refusal({"--block_size", "100"}), HasSubstr("power of two"));
  EXPECT_THAT(refusal({"--scaling_mode", "axis", "--convrot", "--convrot-group-size", "128"}), HasSubstr("16, 64 or 256"));
  EXPECT_THAT(refusal({"--threads", "many"}), HasSubstr("many"));
  EXPECT_THAT(refusal({"stray.safetensors"}), HasSubstr("stray.safetensors"));
}

TEST(CommandLine, TakesTheKindOfTheReportFromItsName) {
  for (auto const* name : {"r.txt", "r.json", "r.html", "r.htm"}) EXPECT_EQ(parsed({"--report-quality", name}).report_file, name);
  EXPECT_THAT(refusal({"--report-quality", "r.pdf"}), HasSubstr(".txt, .json or .html"));
}

TEST(CommandLine, RemembersTheCommandLineAsItWasGiven) {
  EXPECT_EQ(parsed({"--comfy-quant", "--scaling_mode=row"}).arguments,
            (std::vector<std::string>{"-i", "m.safetensors", "--comfy-quant", "--scaling_mode=row"}));
}

TEST(CommandLine, FindsContradictionsBeforeAnyWork) {
  EXPECT_THAT(refusal({"--fp16", "--convrot"}), HasSubstr("contradicts"));
  EXPECT_THAT(refusal({"--convrot"}), HasSubstr("--scaling_mode axis"));
  EXPECT_THAT(refusal({"--int8", "--fp16"}), HasSubstr("contradicts"));
  EXPECT_THAT(refusal({"--comfy_target", "fork"}), HasSubstr("--comfy_quant"));
  EXPECT_THAT(refusal({"--preset", "wan", "--flux2"}), HasSubstr("both choose the family"));
}

TEST(CommandLine, SmoothsOnlyForWhoUndoesIt) {
  EXPECT_TRUE(parsed({"--smoothquant", "--recipe", "fork"}).smoothquant);
  EXPECT_EQ(parsed({"--smoothquant", "--smoothquant-alpha", "0.75", "--int8"}).smoothquant_alpha, 0.75);
  EXPECT_THAT(refusal({"--smoothquant"}), HasSubstr("stock ComfyUI drops the smoothing factors"));
  EXPECT_THAT(refusal({"--smoothquant", "--comfy_quant"}), HasSubstr("--comfy_target fork"));
  EXPECT_THAT(refusal({"--smoothquant", "--fp16"}), HasSubstr("contradicts"));
  EXPECT_THAT(refusal({"--smoothquant", "--recipe", "engine", "--smoothquant-alpha", "1.5"}), HasSubstr("0 to 1"));
  EXPECT_THAT(parsed({"--smoothquant-alpha", "0.3"}).notes, testing::ElementsAre(HasSubstr("--smoothquant-alpha")));
}

TEST(CommandLine, ChoosesTheScalesOfQuip) {
  EXPECT_EQ(parsed({"--optimizer", "quip", "--comfy_quant"}).scaling_mode, "axis");
  EXPECT_FALSE(parsed({"--optimizer", "quip", "--comfy_quant"}).convrot);
  EXPECT_TRUE(parsed({"--optimizer", "quip"}).convrot);  // --recipe comfyui
  EXPECT_EQ(parsed({"--optimizer", "quip", "--no-quip-requant-tensor-per-row"}).scaling_mode, "tensor");
  EXPECT_EQ(parsed({"--optimizer", "quip", "--quip-requant-scheme", "block"}).scaling_mode, "block");
  auto const o = parsed({"--optimizer", "quip", "--quip-requant-scheme", "block", "--scaling_mode", "tensor"});
  EXPECT_EQ(o.scaling_mode, "tensor");
  EXPECT_THAT(o.notes, testing::Contains(HasSubstr("--quip-requant-scheme changes nothing here: --scaling_mode")));
}

TEST(CommandLine, StoresWhatQuipTransforms) {
  auto const o = parsed({"--recipe", "engine", "--optimizer", "quip", "--quip-store-transformed", "--quip-seed", "7"});
  EXPECT_TRUE(o.quip_store_transformed);
  EXPECT_FALSE(o.convrot);
  EXPECT_EQ(o.quip_seed, 7);
  EXPECT_TRUE(parsed({"--recipe", "fork", "--optimizer", "quip", "--quip-store-transformed"}).quip_store_transformed);
  EXPECT_THAT(refusal({"--optimizer", "quip", "--quip-store-transformed"}), HasSubstr("stock ComfyUI takes the codes"));
  EXPECT_THAT(refusal({"--optimizer", "quip", "--quip-store-transformed", "--quip-no-store-transformed"}),
              HasSubstr("contradicts '--quip-no-store-transformed'"));
  EXPECT_THAT(refusal({"--optimizer", "quip", "--quip-store-transformed", "--no-quip-hadamard"}), HasSubstr("dense rotation"));
  EXPECT_THAT(refusal({"--optimizer", "quip", "--quip-store-transformed", "--convrot", "--scaling_mode", "axis"}),
              HasSubstr("contradicts"));
  EXPECT_THAT(refusal({"--optimizer", "quip", "--quip-seed", "-3"}), HasSubstr("0 or more"));
}

TEST(CommandLine, SaysWhatTheFlagsOfQuipDoNotChange) {
  EXPECT_THAT(parsed({"--quip-seed", "3"}).notes, testing::Contains(HasSubstr("--quip-seed changes nothing here")));
  EXPECT_THAT(parsed({"--optimizer", "quip", "--no-quip-hadamard"}).notes,
              testing::Contains(HasSubstr("--no-quip-hadamard changes nothing here")));
  EXPECT_THAT(parsed({"--optimizer", "quip", "--quip-checkpointed", "--quip-checkpoint-threshold", "4096"}).notes,
              testing::Contains(HasSubstr("--quip-checkpointed changes nothing here")));
  EXPECT_THAT(parsed({"--optimizer", "quip"}).notes, testing::Contains(HasSubstr("--calibration-data")));
  EXPECT_EQ(parsed({"--optimizer", "quip", "--no-quip-actorder"}).solve.feedback.order, halfstep::column_order::stored);
  EXPECT_EQ(parsed({"--optimizer", "gptq", "--no-quip-actorder"}).solve.feedback.order, halfstep::column_order::activations);
}

TEST(CommandLine, NotesAFlagThatChangesNothing) {
  EXPECT_THAT(parsed({"--scaling_mode", "axis", "--block_size", "64"}).notes, testing::ElementsAre(HasSubstr("--block_size")));
  EXPECT_THAT(parsed({"--block_size", "64"}).notes, testing::IsEmpty());
}

TEST(CommandLine, SaysWhenAFlagIsGivenTwiceOrWithoutItsValue) {
  EXPECT_THAT(refusal({"--progress", "none", "--progress", "plain"}), HasSubstr("'--progress' is given twice"));
  EXPECT_THAT(refusal({"--threads"}), HasSubstr("'--threads' takes a value"));
  EXPECT_THAT(refusal({"--threads", "0"}), HasSubstr("takes 1 or more"));
  EXPECT_THAT(refusal({"--memory-budget", "12QB"}), HasSubstr("'12QB'"));
}

TEST(CommandLine, CombinesTheFamiliesOfTheReference) {
  EXPECT_THAT(parsed({"--wan", "--t5xxl", "--zimage-refiner"}).families,
              testing::UnorderedElementsAre("wan", "t5xxl", "zimage_refiner"));
}

TEST(CommandLine, ReadsSizesWithSuffixes) {
  EXPECT_EQ(parsed({"--memory-budget", "512M"}).memory_budget, std::uint64_t{512} << 20);
  EXPECT_EQ(parsed({"--memory-budget", "2G"}).memory_budget, std::uint64_t{2} << 30);
}

TEST(CommandLine, ShowsEveryBuiltFlagOnAPageOfTheHelp) {
  std::string all;
  for (auto const* page : {"main", "experimental", "filters", "advanced"}) all += convert_to_quant::help_text(page);
  for (auto const& row : convert_to_quant::option_table())
    EXPECT_THAT(all, HasSubstr(std::string(row.names.substr(0, row.names.find(','))))) << row.names;
  for (auto const* flag : {"-h", "--help", "-he", "-hf", "-ha", "--help-filters", "--version"})
    EXPECT_TRUE(std::holds_alternative<convert_to_quant::information>(convert_to_quant::parse({flag}))) << flag;
}

TEST(ExitCode, TellsKindsOfFailureApart) {
  auto const code = [](auto const& e) { return program::describe(std::make_exception_ptr(e)).code; };
  using halfstep::io_error;
  using halfstep::io_stage;
  EXPECT_EQ(code(halfstep::usage_error("")), 2);
  EXPECT_EQ(code(halfstep::unknown_option("")), 2);
  EXPECT_EQ(code(halfstep::quality_error("")), 3);
  EXPECT_EQ(code(halfstep::format_error("")), 65);
  EXPECT_EQ(code(halfstep::value_error("")), 65);
  EXPECT_EQ(code(io_error(io_stage::input_changed, "")), 65);
  EXPECT_EQ(code(io_error(io_stage::open_input, "")), 66);
  EXPECT_EQ(code(halfstep::contract_error("")), 70);
  EXPECT_EQ(code(std::bad_alloc()), 71);
  EXPECT_EQ(code(io_error(io_stage::create_output, "")), 73);
  EXPECT_EQ(code(io_error(io_stage::transfer, "")), 74);
  EXPECT_EQ(code(io_error(io_stage::busy, "")), 75);
}

}  // namespace
