#ifndef SCANENGINE_CLI_DISPLAY_WIDTH_H_
#define SCANENGINE_CLI_DISPLAY_WIDTH_H_

#include <string>
#include <string_view>

namespace scanengine::cli {

/// Columns that |text| takes on a terminal: two for wide East Asian characters
/// and emoji, one for everything else; rather too many than too few.
/// REQUIRES: well-formed UTF-8 without control characters (Printable()).
int DisplayWidth(std::string_view text);

/// |text| in at most |width| columns, its middle replaced by "..." if need be:
/// folders at the start and names at the end tell most. Empty if |width| <= 0.
/// REQUIRES: as above.
std::string ElideMiddle(std::string_view text, int width);

}  // namespace scanengine::cli

#endif  // SCANENGINE_CLI_DISPLAY_WIDTH_H_
