# scanengine_start_fast(<program>): links the libraries of the system into it,
# still as a program that is loaded at a random address: a loader takes a fourth
# of what the start of a worker costs. Without a static C library only the C++
# library is linked so.
include(CheckCXXSourceCompiles)

set(SCANENGINE_MAY_BE_STATIC OFF)
if(NOT WIN32 AND NOT SCANENGINE_SANITIZER AND ZLIB_USE_STATIC_LIBS)
  set(CMAKE_REQUIRED_LINK_OPTIONS -static-pie)
  check_cxx_source_compiles(
    "#include <string>
     int main(int argc, char** argv) { return std::string(argv[0]).size() < 1; }"
    SCANENGINE_STATIC_PIE)
  unset(CMAKE_REQUIRED_LINK_OPTIONS)
  set(SCANENGINE_MAY_BE_STATIC ${SCANENGINE_STATIC_PIE})
endif()

function(scanengine_start_fast program)
  if(SCANENGINE_MAY_BE_STATIC)
    target_link_options(${program} PRIVATE -static-pie)
  elseif(NOT WIN32 AND NOT SCANENGINE_SANITIZER)
    target_link_options(${program} PRIVATE -static-libstdc++ -static-libgcc)
  endif()
endfunction()
