# scanengine_add_scanner(<format> [LINK ...])
#
# Adds worker/scanners/<format>/ to the build: its sources go into the scanner
# library, its *_test.cc into a test, its *_fuzz.cc into fuzz targets with the
# corpus tests/fuzz/corpus/<name of the file>, and its constant
# scanengine::<format>::kScanner into the generated registry. Formats are probed
# in the order of the calls.
function(scanengine_add_scanner format)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "LINK")
  set(dir "${CMAKE_CURRENT_SOURCE_DIR}/${format}")
  file(GLOB sources CONFIGURE_DEPENDS "${dir}/*.cc")
  set(tests ${sources})
  set(fuzzers ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER fuzzers INCLUDE REGEX "_fuzz\\.cc$")
  list(FILTER sources EXCLUDE REGEX "_(test|fuzz)\\.cc$")
  if(NOT sources)
    message(FATAL_ERROR "scanengine_add_scanner(${format}): no sources in ${dir}")
  endif()
  target_sources(scanengine_worker_lib PRIVATE ${sources})
  if(arg_LINK)
    target_link_libraries(scanengine_worker_lib PRIVATE ${arg_LINK})
  endif()
  set_property(GLOBAL APPEND PROPERTY SCANENGINE_SCANNERS ${format})
  set_property(GLOBAL APPEND PROPERTY SCANENGINE_SCANNER_TESTS ${tests})
  set_property(GLOBAL APPEND PROPERTY SCANENGINE_SCANNER_FUZZERS ${fuzzers})
endfunction()

# Writes the registry. Call once, after the last scanengine_add_scanner().
function(scanengine_finish_scanners)
  get_property(formats GLOBAL PROPERTY SCANENGINE_SCANNERS)
  set(DECLARATIONS "")
  set(ENTRIES "")
  foreach(format IN LISTS formats)
    string(APPEND DECLARATIONS
           "namespace ${format} {\nextern const Scanner kScanner;\n}\n")
    string(APPEND ENTRIES "      &${format}::kScanner,\n")
  endforeach()
  configure_file("${PROJECT_SOURCE_DIR}/cmake/scanner_registry.cc.in"
                 "${PROJECT_BINARY_DIR}/generated/scanner_registry.cc" @ONLY)
  target_sources(scanengine_worker_lib PRIVATE
                 "${PROJECT_BINARY_DIR}/generated/scanner_registry.cc")
endfunction()
