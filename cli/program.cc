#include "cli/program.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <ctime>
#include <memory>
#include <new>
#include <optional>
#include <system_error>
#include <utility>

#include "cli/config.h"
#include "cli/doctor_report.h"
#include "cli/help.h"
#include "cli/output_file.h"
#include "cli/parse_flags.h"
#include "cli/parse_values.h"
#include "cli/report.h"
#include "cli/report_writer.h"
#include "cli/run_observer.h"
#include "cli/signals.h"
#include "cli/status_line.h"
#include "cli/terminal.h"
#include "cli/text_style.h"
#include "cli/verify_command.h"
#include "engine/journal_file.h"
#include "engine/journal_verify.h"
#include "ipc/text.h"

namespace scanengine::cli {
namespace {

constexpr std::size_t kMaxMessageBytes = 4096;

void PrintError(std::string_view text) {
  WriteError("scanengine: " + Printable(text, kMaxMessageBytes) + '\n');
}

ExitCode UsageError(const Error& error) {
  PrintError(error.detail + " (see scanengine --help)");
  return ExitCode::kUsage;
}

std::string NowText() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

// A reader that left (head, a pager) knows why; everybody else is told.
void TellOutputFailure(const Config& config, const ReportWriter& writer,
                       const Error& error) {
  if (writer.reader_gone()) return;
  const std::string target =
      config.output ? Quoted(*config.output) : "to standard output";
  PrintError(
      fmt::format("cannot write the report {}: {}", target, error.detail));
}

ExitCode PrintPage(const std::string& text) {
  ReportWriter writer(OpenStandardOutput());
  writer.Write(text);
  const Status status = writer.Commit();
  if (status.ok()) return ExitCode::kClean;
  TellOutputFailure(Config(), writer, status.error());
  return ExitCode::kIncomplete;
}

// Nothing, once it was said why, if there is no place for the report.
std::optional<ReportWriter> OpenReport(const Config& config) {
  Result<std::unique_ptr<ByteSink>> sink =
      config.output ? OpenOutputFile(*config.output) : OpenStandardOutput();
  if (sink.ok()) return ReportWriter(std::move(sink).value());
  PrintError(fmt::format("cannot write the report {}: {}",
                         Quoted(config.output.value_or("")),
                         sink.error().detail));
  return std::nullopt;
}

// What a run of one file without a supervisor amounts to.
RunSummary SummaryOf(const FileOutcome& outcome) {
  RunSummary summary;
  summary.files = 1;
  summary.by_status[static_cast<std::size_t>(outcome.result.status)] = 1;
  for (const Finding& finding : outcome.result.findings) {
    ++summary.findings_by_severity[static_cast<std::size_t>(finding.severity)];
  }
  summary.bytes = outcome.result.bytes;
  summary.scanners = outcome.result.scanners;
  summary.isolation = IsolationMode::kInProcess;
  summary.wall = std::chrono::microseconds(outcome.result.duration_us);
  summary.peak_memory = outcome.result.peak_memory;
  return summary;
}

// Nothing was scanned: the request is wrong, or the system cannot do it.
ExitCode ScanRefused(const Error& error) {
  if (error.code == ErrorCode::kInvalidArgument) return UsageError(error);
  PrintError("cannot scan: " + error.detail);
  if (error.code == ErrorCode::kJournal) return ExitCode::kUnable;
  return ExitCode::kIncomplete;
}

ExitCode FinishReport(const Config& config, const RunSummary& summary,
                      Report& report, ReportWriter& writer, StopCause stop) {
  ExitFacts facts{config.report.fail_on, config.report.require_complete,
                  /*output_failed=*/false,
                  /*journal_failed=*/summary.journal_error.has_value(), stop};
  const Status finished = report.Finish(summary);
  facts.findings_count = !config.report.inspect;
  facts.whole = report.whole();
  const Status written = finished.ok() ? writer.Commit() : finished;
  if (!written.ok()) {
    TellOutputFailure(config, writer, written.error());
    facts.output_failed = true;
  }
  return DecideExitCode(summary, facts);
}

// A journal that nobody needs any more goes; of others the user is told.
void LeaveJournal(const Config& config, const RunSummary& summary,
                  const ReportWriter& writer, Scan& scan) {
  if (summary.journal.empty()) return;
  if (!summary.stopped && !writer.failed()) {
    scan.ForgetJournal();
  } else if (!config.report.quiet && !writer.reader_gone()) {
    PrintError(fmt::format("--resume goes on from here; the journal is {}",
                           Quoted(summary.journal)));
  }
}

ExitCode DebugOneFile(const Config& config, EngineApi& engine,
                      ReportWriter& writer) {
  const Result<FileOutcome> outcome =
      engine.ScanOne(*config.debug_worker, config.scan);
  if (!outcome.ok()) return ScanRefused(outcome.error());
  const std::unique_ptr<Report> report = NewReport(config.report, writer);
  report->Add(outcome.value());
  return FinishReport(config, SummaryOf(outcome.value()), *report, writer,
                      StopCause::kNone);
}

StatusLine MakeStatusLine() {
  return StatusLine({WriteError, [] { return TerminalWidth(Stream::kError); },
                     [] { return StatusLine::Clock::now(); }});
}

ExitCode ScanAll(const Config& config, EngineApi& engine, bool status_line_on,
                 ReportWriter& writer) {
  const std::unique_ptr<Scan> scan = engine.NewScan(config.scan);
  ReportOptions report_options = config.report;
  report_options.read_back = [&scan](std::uint64_t place) {
    return scan->ReadBack(place);
  };
  // First drain, then end the workers; whoever asks again wants out, even if
  // the report is stuck in a pipe that nobody reads.
  const std::unique_ptr<StopSignals> signals =
      StopSignals::Watch([&scan](int count, StopCause cause) {
        if (count > 2) ExitNow(cause);
        scan->RequestStop();
      });
  const std::unique_ptr<Report> report = NewReport(report_options, writer);
  StatusLine status_line = MakeStatusLine();
  RunObserver observer({
      .report = *report,
      .writer = writer,
      .status_line = status_line_on ? &status_line : nullptr,
      .shared_terminal = !config.output && IsTerminal(Stream::kOutput),
      .quiet = config.report.quiet,
      .verbose = config.report.verbose,
      .write_error = WriteError,
      .on_output_failed = [&scan] { scan->RequestStop(); },
  });
  const Result<RunSummary> summary = scan->Run(observer);
  status_line.Clear();
  if (!summary.ok()) return ScanRefused(summary.error());
  const ExitCode code =
      FinishReport(config, summary.value(), *report, writer, signals->cause());
  LeaveJournal(config, summary.value(), writer, *scan);
  return code;
}

ExitCode Verify(std::span<const std::string> args) {
  const Result<VerifyRequest> request = ParseVerify(args);
  if (!request.ok()) return UsageError(request.error());
  if (request.value().help) return PrintPage(VerifyHelp());
  const std::string& path = request.value().journal;
  const auto refused = [&](const Error& error) {
    PrintError(fmt::format("cannot verify {}: {}", Quoted(path), error.detail));
    return error.code == ErrorCode::kNotFound ? ExitCode::kUsage
                                              : ExitCode::kUnable;
  };
  Result<std::unique_ptr<JournalFile>> file =
      OpenJournalFile(path, JournalAccess::kRead);
  if (!file.ok()) return refused(file.error());
  const Result<JournalCheck> check = CheckJournal(*file.value());
  if (!check.ok()) return refused(check.error());
  const ExitCode printed =
      PrintPage(request.value().json ? VerifyJson(path, check.value())
                                     : VerifyText(path, check.value()));
  const ExitCode code = VerifyExitCode(check.value());
  return code == ExitCode::kClean ? printed : code;
}

ExitCode RunScan(const ParsedFlags& flags, EngineApi& engine) {
  Result<Config> built = BuildConfig(flags);
  if (!built.ok()) return UsageError(built.error());
  Config config = std::move(built).value();
  const Environment environment = ReadEnvironment();
  config.report.version = engine.Version();
  config.report.started = NowText();
  config.report.color = UseColor(config.color, environment,
                                 !config.output && IsTerminal(Stream::kOutput));
  // Before the scan: an hour's work must not end at a folder without rights.
  std::optional<ReportWriter> report = OpenReport(config);
  if (!report) return ExitCode::kIncomplete;
  ReportWriter& writer = *report;
  if (config.debug_worker) return DebugOneFile(config, engine, writer);
  const bool status_line_on =
      UseStatusLine(config.progress, config.report.quiet, environment,
                    IsTerminal(Stream::kError));
  return ScanAll(config, engine, status_line_on, writer);
}

ExitCode RunDoctor(const ParsedFlags& flags, EngineApi& engine) {
  const Result<Config> built = BuildConfig(flags);
  if (!built.ok()) return UsageError(built.error());
  const Config& config = built.value();
  std::optional<ReportWriter> report = OpenReport(config);
  if (!report) return ExitCode::kIncomplete;
  ReportWriter& writer = *report;
  const bool color = UseColor(config.color, ReadEnvironment(),
                              !config.output && IsTerminal(Stream::kOutput));
  const Diagnosis diagnosis = engine.Diagnose(config.scan);
  writer.Write(config.report.format == ReportFormat::kJson
                   ? DoctorJson(diagnosis, engine.Version())
                   : DoctorText(diagnosis, TextStyle(color)));
  const Status written = writer.Commit();
  if (!written.ok()) {
    TellOutputFailure(config, writer, written.error());
    return ExitCode::kIncomplete;
  }
  return DoctorExitCode(diagnosis.fitness);
}

ExitCode RunAction(std::span<const std::string> args, EngineApi& engine) {
  if (!args.empty() && args.front() == "verify") {
    return Verify(args.subspan(1));
  }
  const Result<ParsedFlags> flags = ParseFlags(args);
  if (!flags.ok()) return UsageError(flags.error());
  switch (flags.value().action) {
    case Action::kShortHelp:
      return PrintPage(ShortHelp());
    case Action::kLongHelp:
      return PrintPage(LongHelp());
    case Action::kVersion:
      return PrintPage(VersionPage(engine.Version(), engine.Features()));
    case Action::kListFormats:
      return PrintPage(FormatsText(engine.Formats()));
    case Action::kDoctor:
      return RunDoctor(flags.value(), engine);
    case Action::kScan:
    case Action::kInspect:
      break;
  }
  return RunScan(flags.value(), engine);
}

}  // namespace

ExitCode RunProgram(std::span<const std::string> args, EngineApi& engine) {
  PrepareStandardStreams();
  try {
    return RunAction(args, engine);
  } catch (const std::bad_alloc&) {
    PrintError("cannot go on: there is no memory left");
  } catch (const std::system_error& e) {  // From the start of a thread.
    PrintError(fmt::format("cannot go on: cannot start a thread: {}",
                           e.code().message()));
  }
  return ExitCode::kIncomplete;
}

}  // namespace scanengine::cli
