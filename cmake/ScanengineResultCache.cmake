# The result cache (--cache-dir): SQLite keeps its rows, libcrypto hashes files.
# Both static where there is one: it spares every start a library load. Built
# without them, the program says so when it is asked for a cache.
#
# Gives SCANENGINE_WITH_SQLITE and the targets scanengine::sqlite3 and
# scanengine::crypto.
# Only Linux and its like can tell so far whose folder it is.
if(NOT WIN32)
  find_path(SCANENGINE_SQLITE_INCLUDE sqlite3.h)
  find_library(SCANENGINE_SQLITE_LIBRARY NAMES libsqlite3.a sqlite3)
  find_path(SCANENGINE_CRYPTO_INCLUDE openssl/sha.h)
  find_library(SCANENGINE_CRYPTO_LIBRARY NAMES libcrypto.a crypto)
endif()
set(scanengine_cache_found OFF)
if(SCANENGINE_SQLITE_INCLUDE AND SCANENGINE_SQLITE_LIBRARY AND
   SCANENGINE_CRYPTO_INCLUDE AND SCANENGINE_CRYPTO_LIBRARY)
  set(scanengine_cache_found ON)
endif()
option(SCANENGINE_WITH_SQLITE "Keep a cache of results" ${scanengine_cache_found})

set(scanengine_cache_packages "")
if(NOT SCANENGINE_WITH_SQLITE)
  message(STATUS "scanengine: built without a result cache")
elseif(NOT scanengine_cache_found)
  message(FATAL_ERROR "SCANENGINE_WITH_SQLITE is ON, but sqlite3.h, "
                      "openssl/sha.h or one of their libraries cannot be found")
else()
  foreach(library sqlite3 crypto)
    string(REGEX REPLACE "[0-9]" "" upper "${library}")
    string(TOUPPER "${upper}" upper)
    add_library(scanengine::${library} UNKNOWN IMPORTED GLOBAL)
    set_target_properties(scanengine::${library} PROPERTIES
      IMPORTED_LOCATION "${SCANENGINE_${upper}_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${SCANENGINE_${upper}_INCLUDE}")
    list(APPEND scanengine_cache_packages ${library})
  endforeach()
endif()
