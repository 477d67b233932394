#ifndef SCANENGINE_CLI_ARGUMENTS_H_
#define SCANENGINE_CLI_ARGUMENTS_H_

#include <string>
#include <vector>

namespace scanengine::cli {

/// What was typed behind the program's name, as bytes. main()'s own arguments
/// would lose on Windows what its code page does not have.
std::vector<std::string> ProgramArguments(int argc, char** argv);

}  // namespace scanengine::cli

#endif  // SCANENGINE_CLI_ARGUMENTS_H_
