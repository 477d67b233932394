# Libraries that unpack compressed files beside zlib. Each can be left out; what
# it would unpack is then reported as unsupported.
#
# Gives SCANENGINE_DECODERS, the libraries that are used with their versions,
# and the targets scanengine::<library>.
set(SCANENGINE_DECODERS "")
set(scanengine_decoder_packages "")

# scanengine_find_decoder(<library> <header> <regex of its version> <header with
# the version>)
function(scanengine_find_decoder library header version_header version_regex)
  string(TOUPPER "${library}" upper)
  if(library STREQUAL "bzip2")
    set(name bz2)
  else()
    set(name "${library}")
  endif()
  find_path(SCANENGINE_${upper}_INCLUDE ${header})
  # Static where there is one: it spares every worker start a library load.
  find_library(SCANENGINE_${upper}_LIBRARY NAMES lib${name}.a ${name})
  set(found OFF)
  if(SCANENGINE_${upper}_INCLUDE AND SCANENGINE_${upper}_LIBRARY)
    set(found ON)
  endif()
  option(SCANENGINE_WITH_${upper} "Unpack ${library}" ${found})
  if(NOT SCANENGINE_WITH_${upper})
    message(STATUS "scanengine: built without ${library}")
    return()
  endif()
  if(NOT found)
    message(FATAL_ERROR "SCANENGINE_WITH_${upper} is ON, but ${header} or its "
                        "library cannot be found")
  endif()
  add_library(scanengine::${library} UNKNOWN IMPORTED GLOBAL)
  set_target_properties(scanengine::${library} PROPERTIES
    IMPORTED_LOCATION "${SCANENGINE_${upper}_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${SCANENGINE_${upper}_INCLUDE}")
  set(version "")
  file(READ "${SCANENGINE_${upper}_INCLUDE}/${version_header}" text)
  string(REGEX MATCHALL "${version_regex}" lines "${text}")
  foreach(line IN LISTS lines)
    string(REGEX REPLACE "^.*[^0-9.]([0-9.]+)$" "\\1" number "${line}")
    list(APPEND version "${number}")
  endforeach()
  list(JOIN version "." version)
  set(SCANENGINE_DECODERS ${SCANENGINE_DECODERS} "${library} ${version}"
      PARENT_SCOPE)
  set(scanengine_decoder_packages ${scanengine_decoder_packages} ${library}
      PARENT_SCOPE)
endfunction()

scanengine_find_decoder(bzip2 bzlib.h bzlib.h "libbzip2 version [0-9.]+")
scanengine_find_decoder(lzma lzma.h lzma/version.h
                        "LZMA_VERSION_(MAJOR|MINOR|PATCH) [0-9]+")
scanengine_find_decoder(lz4 lz4frame.h lz4.h
                        "LZ4_VERSION_(MAJOR|MINOR|RELEASE) +[0-9]+")
