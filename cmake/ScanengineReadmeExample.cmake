# scanengine_readme_example(<readme> <output>)
#
# Writes the one ```cpp block of |readme| to |output|, so that the example that
# people copy is the one that is compiled and run.
function(scanengine_readme_example readme output)
  file(READ "${readme}" text)
  # Brackets and semicolons mean something in CMake's lists; keep them away.
  string(REGEX MATCHALL "\n```cpp\n" fences "${text}")
  list(LENGTH fences count)
  if(NOT count EQUAL 1)
    message(FATAL_ERROR "${readme}: want one cpp block, found ${count}")
  endif()
  string(FIND "${text}" "\n```cpp\n" begin)
  math(EXPR begin "${begin} + 8")
  string(SUBSTRING "${text}" ${begin} -1 text)
  string(FIND "${text}" "\n```\n" length)
  math(EXPR length "${length} + 1")
  string(SUBSTRING "${text}" 0 ${length} example)
  file(CONFIGURE OUTPUT "${output}" CONTENT "${example}" @ONLY)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${readme}")
endfunction()
