# For a cross build: the header-only libraries of the host, which are the same
# for every target, under the names that their own CMake packages give them.
#
# One folder with links to each library's headers, and not /usr/include itself:
# that holds the host's C library, too.
set(scanengine_headers "${PROJECT_BINARY_DIR}/host_headers")
foreach(name boost cereal fmt nlohmann CLI catch2)
  if(NOT EXISTS "/usr/include/${name}")
    message(FATAL_ERROR "no /usr/include/${name}: see ./dev setup")
  endif()
  file(MAKE_DIRECTORY "${scanengine_headers}/${name}.d")
  file(CREATE_LINK "/usr/include/${name}" "${scanengine_headers}/${name}.d/${name}"
       SYMBOLIC)
endforeach()
# Boost says <Windows.h>, which only Windows finds.
file(CONFIGURE OUTPUT "${scanengine_headers}/boost.d/Windows.h"
     CONTENT "#include <windows.h>\n")

function(scanengine_host_library target name)
  add_library(${target} INTERFACE IMPORTED GLOBAL)
  target_include_directories(${target} SYSTEM INTERFACE
                             "${scanengine_headers}/${name}.d")
endfunction()
scanengine_host_library(cereal::cereal cereal)
scanengine_host_library(fmt::fmt-header-only fmt)
target_compile_definitions(fmt::fmt-header-only INTERFACE FMT_HEADER_ONLY=1)
scanengine_host_library(nlohmann_json::nlohmann_json nlohmann)
scanengine_host_library(CLI11::CLI11 CLI)
scanengine_host_library(Catch2::Catch2 catch2)
set(Boost_INCLUDE_DIRS "${scanengine_headers}/boost.d")
