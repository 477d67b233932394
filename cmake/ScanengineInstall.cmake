# What `cmake --install` lays out, and the package that find_package(scanengine)
# finds:
#
#   bin/scanengine, bin/scanengine-worker   the worker stays beside the program
#   include/scanengine/<folder>/*.h         what engine/scan_engine.h needs
#   lib/lib*.a, lib/cmake/scanengine/       scanengine::engine and what it needs
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(scanengine_include "${CMAKE_INSTALL_INCLUDEDIR}/scanengine")
set(scanengine_package "${CMAKE_INSTALL_LIBDIR}/cmake/scanengine")
# Needed to build a library, not to use it: no part of the package.
set(scanengine_build_only scanengine_warnings scanengine_boost cereal::cereal
    fmt::fmt-header-only nlohmann_json::nlohmann_json CLI11::CLI11)

# Makes |target| fit for export, so that the folders' own lists stay plain: the
# include path of an installed copy is another one, and of its private
# libraries only those are named that a program must link.
function(scanengine_prepare_export target)
  get_target_property(libraries ${target} INTERFACE_LINK_LIBRARIES)
  set(exported "")
  foreach(library IN LISTS libraries)
    string(REGEX REPLACE "^\\$<LINK_ONLY:(.*)>$" "\\1" name "${library}")
    if(name IN_LIST scanengine_build_only)
      set(library "$<BUILD_INTERFACE:${library}>")
    endif()
    if(library)
      list(APPEND exported "${library}")
    endif()
  endforeach()
  target_compile_features(${target} INTERFACE cxx_std_20)
  set_target_properties(${target} PROPERTIES
    INTERFACE_LINK_LIBRARIES "${exported}"
    INTERFACE_INCLUDE_DIRECTORIES
      "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>;$<INSTALL_INTERFACE:${scanengine_include}>")
endfunction()

foreach(part ipc worker_lib engine)
  if(TARGET scanengine_${part})
    scanengine_prepare_export(scanengine_${part})
    set_target_properties(scanengine_${part} PROPERTIES EXPORT_NAME ${part})
    install(TARGETS scanengine_${part} EXPORT scanengine
            ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
  endif()
endforeach()
foreach(program scanengine scanengine-worker)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
  endif()
endforeach()

foreach(header engine/scan_engine.h ipc/file_stamp.h ipc/finding.h
               ipc/inspection.h ipc/messages.h ipc/outcome.h ipc/result.h)
  get_filename_component(folder "${header}" DIRECTORY)
  install(FILES "${PROJECT_SOURCE_DIR}/${header}"
          DESTINATION "${scanengine_include}/${folder}")
endforeach()
install(FILES "${PROJECT_SOURCE_DIR}/README.md" "${PROJECT_SOURCE_DIR}/LICENSE"
              "${PROJECT_SOURCE_DIR}/SECURITY.md"
              "${PROJECT_SOURCE_DIR}/CHANGELOG.md"
        DESTINATION "${CMAKE_INSTALL_DOCDIR}")

# A program embeds the engine; without it there is nothing to find.
if(TARGET scanengine_engine)
  install(EXPORT scanengine NAMESPACE scanengine::
          FILE scanengine-targets.cmake DESTINATION "${scanengine_package}")
  set(SCANENGINE_DECODER_LIBRARIES ${scanengine_decoder_packages}
                                   ${scanengine_cache_packages})
  set(SCANENGINE_WORKER_FILE "${CMAKE_INSTALL_BINDIR}/scanengine-worker")
  configure_package_config_file(
    "${PROJECT_SOURCE_DIR}/cmake/scanengine-config.cmake.in"
    "${PROJECT_BINARY_DIR}/scanengine-config.cmake"
    INSTALL_DESTINATION "${scanengine_package}"
    PATH_VARS SCANENGINE_WORKER_FILE)
  # Until 1.0 a minor version may change the interface.
  write_basic_package_version_file(
    "${PROJECT_BINARY_DIR}/scanengine-config-version.cmake"
    COMPATIBILITY SameMinorVersion)
  install(FILES "${PROJECT_BINARY_DIR}/scanengine-config.cmake"
                "${PROJECT_BINARY_DIR}/scanengine-config-version.cmake"
          DESTINATION "${scanengine_package}")
endif()
